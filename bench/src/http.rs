//! A client of HTTP/1.1 that costs next to nothing, because it runs on the processors that it measures.

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The place at which the body of the newest answer begins.
    body: usize,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: Vec::with_capacity(2048),
            body: 0,
        })
    }

    /// Sends a request and reads its answer whole; gives the status.
    pub(crate) async fn send(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            anyhow::ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the connection was closed"
            );
            if let Some(head) = self
                .buffer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                let text = std::str::from_utf8(&self.buffer[..head])?;
                if self.buffer.len() >= head + 4 + content_length(text)? {
                    self.body = head + 4;
                    return text
                        .get(9..12)
                        .context("no status")?
                        .parse()
                        .context("no status");
                }
            }
        }
    }

    /// The body of the newest answer.
    pub(crate) fn body(&self) -> &[u8] {
        self.buffer.get(self.body..).unwrap_or_default()
    }
}

fn content_length(head: &str) -> anyhow::Result<usize> {
    head.lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        })
        .context("no content-length")
}
