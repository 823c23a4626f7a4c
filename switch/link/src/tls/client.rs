//! The side that connects, for those who have sockets of their own: tools and terminals.

use super::TlsError;
use super::handshake::HandshakeFault;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use veksel_config::DialTls;

/// TLS on a blocking socket.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// TLS to one host.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    handshake: Duration,
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Reads the files. `host` is whom the connections go to; its certificate must have that name
    /// unless another is configured.
    ///
    /// # Errors
    /// A file cannot be used, or no certificate can have such a name.
    pub fn load(config: &DialTls, host: &str) -> Result<Self, TlsError> {
        Ok(Self {
            config: Arc::new(super::client(config)?),
            name: name(config, host)?,
            handshake: Duration::from_millis(config.handshake_ms),
        })
    }

    /// Shakes hands on a blocking socket, whose time limits are set and then taken off.
    ///
    /// # Errors
    /// The other side is not who it should be, does not believe this one, or is too slow.
    pub fn blocking(&self, mut stream: TcpStream) -> io::Result<TlsStream> {
        let until = std::time::Instant::now() + self.handshake;
        let session = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut session = session.map_err(io::Error::other)?;
        while session.is_handshaking() || session.wants_write() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            stream.set_write_timeout(Some(left))?;
            session.complete_io(&mut stream).map_err(|error| match error.kind() {
                ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
                _ => error,
            })?;
        }
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(None)?;
        Ok(StreamOwned::new(session, stream))
    }

    /// Shakes hands on a socket of tokio.
    ///
    /// # Errors
    /// The other side is not who it should be, does not believe this one, or is too slow.
    pub async fn connect(
        &self,
        stream: tokio::net::TcpStream,
    ) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.config));
        let shaking = connector.connect(self.name.clone(), stream);
        let late = |_| io::Error::new(ErrorKind::TimedOut, HandshakeFault::Timeout.word());
        tokio::time::timeout(self.handshake, shaking).await.map_err(late)?
    }
}

/// The name that the certificate of a host must have.
pub(crate) fn name(config: &DialTls, host: &str) -> Result<ServerName<'static>, TlsError> {
    let name = config.name.as_deref().unwrap_or(host);
    // Where the pins alone decide, the library wants a name all the same.
    let stand_in = if config.ca.is_empty() { "pinned" } else { name };
    ServerName::try_from(name.to_owned())
        .or_else(|_| ServerName::try_from(stand_in.to_owned()))
        .map_err(|_| TlsError::Name { name: name.to_owned() })
}
