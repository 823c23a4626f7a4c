//! A change of keys (DE70 101, 161 or 162), which a peer of either side asks for (switch semantics
//! 43).
//!
//! Keys never travel: the next one of each direction is in a file already, and the request names
//! one of them by its check value in DE48. What the engine decides is the order: the key of the
//! peer is accepted, the request is answered under the old key, and only then the new one is used.

use super::Switch;
use crate::answer::{Decline, acknowledge, decline};
use crate::contract::Output;
use crate::event::Event;
use crate::plan::ConnectionId;
use crate::session::KEY_CHANGES;
use crate::time::Now;
use veksel_codecs::{Class, Message, field};

/// Characters of a check value.
const CHECK_VALUE: usize = 6;

impl Switch {
    /// Takes a request for other keys. Gives the message back if it is something else.
    pub(super) fn take_key_change(
        &mut self,
        connection: ConnectionId,
        mut message: Message,
    ) -> Option<Message> {
        let code = message.get(field::NETWORK_CODE);
        let is_one = code.is_some_and(|code| KEY_CHANGES.contains(&code));
        if message.mti().class() != Class::Network || !is_one {
            return Some(message);
        }
        let value = message.get(field::ADDITIONAL_DATA).map(|text| text.trimmed().to_owned());
        let is_value = |value: &String| {
            value.len() == CHECK_VALUE && value.bytes().all(|digit| digit.is_ascii_hexdigit())
        };
        match value.filter(is_value) {
            Some(check_value) => {
                self.outputs.push_back(Output::Rekey { connection, message, check_value });
            }
            None => {
                decline(&mut message, Decline::FORMAT_ERROR);
                self.send(connection, message, None, None, None);
            }
        }
        None
    }

    pub(super) fn handle_rekeyed(
        &mut self,
        now: Now,
        connection: ConnectionId,
        mut message: Message,
        taken: bool,
    ) {
        let link = connection.link;
        let name = self.plan.links.get(usize::from(link.0)).map(|link| link.name.clone());
        let name = name.unwrap_or_default();
        if taken {
            acknowledge(&mut message);
            self.note(now, "switch", "key change", name);
        } else {
            decline(&mut message, Decline::SECURITY_VIOLATION);
        }
        self.send(connection, message, None, None, None);
        if taken {
            self.outputs.push_back(Output::UseNextKey(link));
        }
        self.count(Event::KeyChange { link, taken });
    }
}
