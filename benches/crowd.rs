//! The crowd: connections that are of no use to anybody. Some say nothing, some say a byte a
//! second, some ask and never read. Whoever is closed comes back after a second.

use crate::frames::{Kind, request};
use crate::{Failure, part};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::LocalSet;
use tokio::time::sleep;

/// Connections made before others may have a turn.
const AT_ONCE: usize = 64;
/// Requests that are asked at once by who never reads, and the pause between the others: all of
/// them together shall not be a load that the channel under test could not bear by itself.
const FIRST: usize = 64;
const PAUSE: Duration = Duration::from_secs(1);
/// How long it takes to come back.
const AWAY: Duration = Duration::from_secs(1);

/// `address idle dripping unread`; says `open` and how many connections when all are there, and
/// ends when its input does.
pub(crate) fn play(arguments: &[String]) -> Result<(), Failure> {
    let address: SocketAddr = part::argument(arguments, 0)?;
    let [idle, dripping, unread]: [usize; 3] = [
        part::argument(arguments, 1)?,
        part::argument(arguments, 2)?,
        part::argument(arguments, 3)?,
    ];
    let frame = request(Kind::Balance)?;
    let (ready, opened) = std::sync::mpsc::sync_channel(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("crowd".into()).spawn(move || {
        LocalSet::new().block_on(&runtime, async move {
            let (open, frame) = (Rc::new(Cell::new(0)), Rc::<[u8]>::from(frame));
            for place in 0..idle + dripping + unread {
                let (open, frame) = (Rc::clone(&open), Rc::clone(&frame));
                tokio::task::spawn_local(async move {
                    loop {
                        let Ok(stream) = connect(address).await else {
                            sleep(AWAY).await;
                            continue;
                        };
                        open.set(open.get() + 1);
                        // Ends when the other side does.
                        let _ = match place {
                            place if place < idle => wait(stream).await,
                            place if place < idle + dripping => drip(stream, &frame).await,
                            _ => ask(stream, &frame).await,
                        };
                        sleep(AWAY).await;
                    }
                });
                if place % AT_ONCE == 0 {
                    sleep(Duration::from_millis(5)).await;
                }
            }
            while open.get() < idle + dripping + unread {
                sleep(Duration::from_millis(10)).await;
            }
            let _ = ready.send(open.get());
            std::future::pending::<()>().await;
        });
    })?;
    let open = opened.recv_timeout(Duration::from_secs(60))?;
    part::work(&open.to_string())
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // As little as the system allows, so that what is not read soon stands at the switch.
    socket.set_recv_buffer_size(4_096)?;
    socket.connect(address).await
}

async fn wait(mut stream: TcpStream) -> std::io::Result<()> {
    stream.read_u8().await.map(|_| ())
}

async fn drip(mut stream: TcpStream, frame: &[u8]) -> std::io::Result<()> {
    loop {
        for byte in frame {
            stream.write_all(&[*byte]).await?;
            sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn ask(mut stream: TcpStream, frame: &[u8]) -> std::io::Result<()> {
    stream.write_all(&frame.repeat(FIRST)).await?;
    loop {
        sleep(PAUSE).await;
        stream.write_all(frame).await?;
    }
}
