//! The port: where requests over HTTP become messages of a link that has no socket, and the
//! answers to them find whoever waits.
//!
//! Every caller is a connection of that link, which is there as long as the process is. A request
//! goes through the codec as if it had come over a wire, so that nothing is judged otherwise. The
//! header of a message, which an answer brings back, says who waits for it. An answer that nobody
//! waits for any more was not written, and the engine hears so: an approval is then taken back. An
//! advice (0620) is taken over at once: what it tells is in the journal, where a caller asks for it
//! (0600).

use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::sync::{mpsc, oneshot};
use veksel_api::{Posted, Replied, Spoken};
use veksel_codecs::{
    Class, Codec, Content, EncodeError, Fault, FieldNumber, Message, Mti, Refusal, ResponseCode,
    field,
};
use veksel_core::plan::ParticipantId;
use veksel_core::{ConnectionId, Input, LinkId, Tag, Unsent};

/// Messages that may wait to be taken by the shard.
pub(crate) const POSTS_MAX: usize = 1_024;

/// Callers that may wait for an answer.
const WAITING_MAX: usize = 4_096;

/// The shard's end of what is asked in messages over HTTP.
#[derive(Debug)]
pub(crate) struct Port {
    /// What is asked.
    pub(crate) posts: mpsc::Receiver<Posted>,
    desk: Option<Desk>,
    waiting: BTreeMap<u64, oneshot::Sender<Replied>>,
    last: u64,
}

/// The link of the callers.
#[derive(Debug)]
struct Desk {
    link: LinkId,
    codec: Rc<Codec>,
    /// Of each caller.
    connections: Vec<ConnectionId>,
}

/// What is wrong with a message: the number of a field, and what.
type Wrong = (u8, String);

impl Port {
    pub(crate) const fn new(posts: mpsc::Receiver<Posted>) -> Self {
        Self { posts, desk: None, waiting: BTreeMap::new(), last: 0 }
    }

    /// Makes the link ready: what the engine has to hear of its connections, one for each caller.
    pub(crate) fn open(
        &mut self,
        codec: Rc<Codec>,
        callers: &[(ConnectionId, ParticipantId)],
    ) -> Vec<Input> {
        let connections: Vec<ConnectionId> = callers.iter().map(|(id, _)| *id).collect();
        let Some(link) = connections.first().map(|id| id.link) else { return Vec::new() };
        self.desk = Some(Desk { link, codec, connections });
        let up = |(connection, participant): &(ConnectionId, ParticipantId)| {
            let (connection, participant) = (*connection, *participant);
            [Input::LinkUp(connection), Input::Identified { connection, participant }]
        };
        callers.iter().flat_map(up).collect()
    }

    /// Takes a request in, for the engine. `None` if there is nothing to hand on: the caller has
    /// heard why, or waits no more.
    pub(crate) fn take(&mut self, posted: Posted) -> Option<Input> {
        let Posted { caller, message, caller_key, reply } = posted;
        if reply.is_closed() {
            return None;
        }
        if self.waiting.len() >= WAITING_MAX {
            self.forget();
        }
        let desk = self.desk.as_ref().filter(|_| self.waiting.len() < WAITING_MAX);
        let connection = desk.and_then(|desk| desk.connections.get(usize::from(caller.0)));
        let (Some(desk), Some(connection)) = (desk, connection.copied()) else {
            refuse(reply);
            return None;
        };
        let mut message = match desk.read(&message) {
            Ok(message) => message,
            Err((field, why)) => {
                tracing::debug!(caller = caller.0, field, "message over HTTP refused");
                // Who is gone misses only the answer.
                let _ = reply.send(Replied::Malformed(field, why));
                return None;
            }
        };
        self.last = self.last.wrapping_add(1);
        message.header_mut().extend_from_slice(&self.last.to_be_bytes());
        self.waiting.insert(self.last, reply);
        Some(Input::Posted { connection, message, caller_key })
    }

    /// Whether a message is for somebody here.
    pub(crate) fn is_of(&self, connection: ConnectionId) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.link == connection.link)
    }

    /// Gives an answer to whoever waits for it, and says what the engine has to hear of that.
    pub(crate) fn deliver(
        &mut self,
        connection: ConnectionId,
        message: &Message,
        tag: Option<Tag>,
    ) -> Option<Input> {
        if message.mti().is_request() {
            return take_over(connection, message, tag);
        }
        let token = <[u8; 8]>::try_from(message.header()).ok().map(u64::from_be_bytes);
        let reply = token.and_then(|token| self.waiting.remove(&token));
        let said =
            reply.is_some_and(|reply| reply.send(Replied::Answered(spoken(message))).is_ok());
        tracing::trace!(connection = connection.serial, mti = %message.mti(), said, "answer");
        let tag = tag?;
        Some(if said { Input::Written(tag) } else { Input::Unsent { tag, why: Unsent::Closed } })
    }

    /// Forgets callers that have given up.
    pub(crate) fn forget(&mut self) {
        self.waiting.retain(|_, reply| !reply.is_closed());
    }

    /// How many wait for an answer.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// Nothing is taken in now.
pub(crate) fn refuse(reply: oneshot::Sender<Replied>) {
    let _ = reply.send(Replied::Busy);
}

/// What the switch tells on its own: an advice is taken over, and nothing else is expected.
fn take_over(connection: ConnectionId, message: &Message, tag: Option<Tag>) -> Option<Input> {
    let mti = message.mti().response().filter(|_| message.mti().class() == Class::Administrative);
    let Some(mti) = mti else {
        tracing::warn!(connection = connection.serial, mti = %message.mti(), "nobody takes this");
        return tag.map(|tag| Input::Unsent { tag, why: Unsent::Closed });
    };
    let mut answer = message.clone();
    answer.set_mti(mti);
    answer.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
    Some(Input::Received { connection, message: answer })
}

impl Desk {
    /// The message as the codec reads it, with what its rule asks for.
    fn read(&self, spoken: &Spoken) -> Result<Message, Wrong> {
        let mti = Mti::from_ascii(spoken.mti).filter(|mti| mti.is_request());
        let mti = mti.ok_or_else(|| (0, "this is no type of a request".to_owned()))?;
        let mut made = Message::of(mti);
        for (number, value) in &spoken.fields {
            let dialect = self.codec.dialect();
            let known = FieldNumber::new(*number);
            let known = known.and_then(|number| Some((number, dialect.field(number)?.content)));
            match (known, str::from_utf8(value)) {
                (None, _) => {
                    let why = format!("dialect {} has no such field", dialect.name());
                    return Err((*number, why));
                }
                (Some((number, Content::Binary)), _) => made.set_binary(number, value),
                (Some((number, _)), Ok(text)) => made.set_text(number, text),
                (Some(_), Err(_)) => return Err((*number, "these are no characters".to_owned())),
            }
        }
        let mut bytes = bytes::BytesMut::new();
        self.codec.encode(&made, &mut bytes).map_err(|error| match error {
            EncodeError::Field { path, fault } => (path.field.get(), fault.to_string()),
            EncodeError::Frame(error) => (0, error.to_string()),
        })?;
        let mut message = Message::new();
        let read = self.codec.decode_into(&bytes, &mut message).map_err(Refusal::Format);
        read.and_then(|()| self.codec.check(&message, false)).map_err(wrong)?;
        Ok(message)
    }
}

fn wrong(refusal: Refusal) -> Wrong {
    match refusal {
        Refusal::Format(error) => match error.fault {
            Fault::Missing => (error.path.field.get(), "it is missing".to_owned()),
            fault => (error.path.field.get(), fault.to_string()),
        },
        Refusal::UnknownType => (0, "this type is not known here".to_owned()),
        Refusal::UnknownCode => {
            (field::PROCESSING_CODE.number().get(), "this code is not known here".to_owned())
        }
        Refusal::Unauthentic => (0, "it may be anybody's".to_owned()),
    }
}

/// A message without its header.
fn spoken(message: &Message) -> Spoken {
    let mut spoken = Spoken { mti: *message.mti().digits(), fields: Vec::new() };
    for number in message.fields().iter() {
        let Some(raw) = message.expose(number) else { continue };
        if let Some(text) = raw.text() {
            spoken.set(number.get(), text.as_bytes());
        } else if let Some(bytes) = raw.binary() {
            spoken.set(number.get(), &bytes[..]);
        }
    }
    spoken
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_api::CallerId;
    use veksel_codecs::Dialect;
    use veksel_core::record::CallerKey;
    use veksel_core::{Leg, TxnId};

    const TAG: Tag = Tag { txn: TxnId(7), leg: Leg::Answer };

    fn connection(serial: u64) -> ConnectionId {
        ConnectionId { link: LinkId(3), serial }
    }

    /// A port with two callers.
    fn port() -> Port {
        let mut port = Port::new(mpsc::channel(1).1);
        let codec = Rc::new(Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap()));
        let callers = [(connection(10), ParticipantId(1)), (connection(11), ParticipantId(2))];
        let heard = port.open(codec, &callers);
        assert_eq!(heard.len(), 4, "{heard:?}");
        port
    }

    fn question() -> Spoken {
        let mut question = Spoken { mti: *b"0800", fields: Vec::new() };
        for (number, value) in [(7, "1120120000"), (11, "000001"), (32, "500001"), (70, "301")] {
            question.set(number, value);
        }
        question
    }

    fn post(caller: u16, message: Spoken) -> (Posted, oneshot::Receiver<Replied>) {
        let (reply, replied) = oneshot::channel();
        let caller_key = Some(CallerKey { key: [7; 16], content: [8; 16] });
        (Posted { caller: CallerId(caller), message, caller_key, reply }, replied)
    }

    /// What the engine was handed of a request.
    fn taken(input: Option<Input>) -> (ConnectionId, Message) {
        match input {
            Some(Input::Posted { connection, message, caller_key: Some(of) }) => {
                assert_eq!((of.key, of.content), ([7; 16], [8; 16]));
                (connection, message)
            }
            other => panic!("{other:?}"),
        }
    }

    fn taken_over(input: Option<Input>) -> (ConnectionId, Message) {
        match input {
            Some(Input::Received { connection, message }) => (connection, message),
            other => panic!("{other:?}"),
        }
    }

    fn answer(mut request: Message) -> Message {
        request.set_mti(request.mti().response().unwrap());
        request.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
        request
    }

    #[test]
    fn each_hears_its_own_answer_whoever_asks_first() {
        let mut port = port();
        let ((first, mut first_told), (second, mut second_told)) =
            (post(0, question()), post(1, question()));
        let (own, first) = taken(port.take(first));
        let (other, second) = taken(port.take(second));
        assert_eq!((own, other), (connection(10), connection(11)));
        let told = port.deliver(other, &answer(second), Some(TAG));
        assert!(matches!(told, Some(Input::Written(TAG))), "{told:?}");
        assert!(first_told.try_recv().is_err());
        assert!(port.deliver(own, &answer(first), None).is_none());
        for told in [first_told.try_recv(), second_told.try_recv()] {
            let Ok(Replied::Answered(spoken)) = told else { panic!("{told:?}") };
            assert_eq!((spoken.mti, spoken.get(39)), (*b"0810", Some(&b"00"[..])));
            assert_eq!(spoken.get(70), Some(&b"301"[..]));
        }
        assert_eq!(port.len(), 0);
    }

    #[test]
    fn an_answer_that_nobody_waits_for_was_not_written() {
        let mut port = port();
        let (posted, told) = post(0, question());
        let (connection, message) = taken(port.take(posted));
        drop(told);
        let undelivered = |input: Option<Input>| {
            matches!(input, Some(Input::Unsent { tag: TAG, why: Unsent::Closed }))
        };
        assert!(undelivered(port.deliver(connection, &answer(message.clone()), Some(TAG))));
        // Not again either, nor if it was forgotten, nor without a name of who waits.
        assert!(undelivered(port.deliver(connection, &answer(message.clone()), Some(TAG))));
        let mut nobodys = answer(message);
        nobodys.header_mut().clear();
        assert!(undelivered(port.deliver(connection, &nobodys, Some(TAG))));
        let (posted, told) = post(0, question());
        drop(told);
        assert!(port.take(posted).is_none() && port.len() == 0);
    }

    #[test]
    fn an_advice_is_taken_over_and_nothing_else_of_its_own_accord() {
        let mut port = port();
        let mut advice = Message::of(Mti::known(b"0620"));
        advice.set(field::STAN, 5);
        advice.set_text(field::RRN.number(), "ABC");
        let (to, taken) = taken_over(port.deliver(connection(10), &advice, None));
        assert_eq!((to, taken.mti()), (connection(10), Mti::known(b"0630")));
        assert_eq!(taken.get(field::RESPONSE_CODE), Some(ResponseCode::APPROVED));
        assert_eq!(taken.get(field::STAN), Some(5));
        let echo = Message::of(Mti::known(b"0800"));
        assert!(port.deliver(connection(10), &echo, None).is_none());
    }

    #[test]
    fn too_many_are_refused_and_those_who_left_make_room() {
        let mut port = port();
        let mut kept = Vec::new();
        for _ in 0..WAITING_MAX {
            let (posted, told) = post(0, question());
            assert!(port.take(posted).is_some());
            kept.push(told);
        }
        let (one_more, mut told) = post(1, question());
        assert!(port.take(one_more).is_none());
        assert_eq!(told.try_recv(), Ok(Replied::Busy));
        kept.truncate(10);
        let (one_more, _told) = post(1, question());
        assert!(port.take(one_more).is_some());
        assert_eq!(port.len(), 11);
    }
}
