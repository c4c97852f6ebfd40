//! A link between two services that a test can break: what a network does to a connection, on command.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The behaviour of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Passes everything on.
    Open,
    /// Ends every connection, old and new.
    Cut,
    /// Takes everything and answers nothing.
    Silent,
    /// Passes everything on, this much later.
    Slow(Duration),
}

/// Passes TCP connections on to a server, or to several in turn. Ends with the test's runtime.
#[derive(Clone, Debug)]
pub struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    answers_to_lose: Arc<AtomicUsize>,
    answers_lost: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Link {
    /// An open link to the server at `target`.
    pub async fn to(target: SocketAddr) -> Link {
        Link::to_any(vec![target]).await
    }

    /// An open link to these servers: connections go to one after the other, past those that do not listen.
    pub async fn to_any(targets: Vec<SocketAddr>) -> Link {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap_or_else(|error| panic!("no free port: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"));
        let link = Link {
            address,
            state: watch::Sender::new(State::Open),
            answers_to_lose: Arc::default(),
            answers_lost: Arc::default(),
            connections: Arc::default(),
        };
        let accepting = link.clone();
        tokio::spawn(async move {
            let mut targets = targets;
            while let Ok((client, _)) = listener.accept().await {
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(accepting.clone().pass_on(client, targets.clone()));
                targets.rotate_left(1);
            }
        });
        link
    }

    /// This end's port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:port` of this end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Passes everything on again.
    pub fn open(&self) {
        self.state.send_replace(State::Open);
    }

    /// Ends every connection, old and new.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Takes everything and answers nothing.
    pub fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Passes everything on, but later.
    pub fn slow_down(&self, by: Duration) {
        self.state.send_replace(State::Slow(by));
    }

    /// Loses the next `count` answers: the request arrives, then the connection ends.
    pub fn lose_answers(&self, count: usize) {
        self.answers_to_lose.store(count, Ordering::SeqCst);
    }

    /// The number of answers that were lost until now.
    pub fn answers_lost(&self) -> usize {
        self.answers_lost.load(Ordering::SeqCst)
    }

    /// The number of connections that came until now, whatever became of them.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn pass_on(self, mut client: TcpStream, targets: Vec<SocketAddr>) {
        let mut state = self.state.subscribe();
        if *state.borrow_and_update() == State::Cut {
            return;
        }
        let Some(mut server) = connect(&targets).await else {
            return;
        };
        let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        loop {
            let now = *state.borrow_and_update();
            let silent = now == State::Silent;
            if let State::Slow(by) = now {
                tokio::time::sleep(by).await;
            }
            tokio::select! {
                changed = state.changed() => {
                    if changed.is_err() || *state.borrow() == State::Cut {
                        return;
                    }
                }
                read = client.read(&mut up) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) if silent => {}
                    Ok(length) => if server.write_all(&up[..length]).await.is_err() { return },
                },
                read = server.read(&mut down) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) if self.loses_this() => return,
                    Ok(length) => if client.write_all(&down[..length]).await.is_err() { return },
                },
            }
        }
    }

    fn loses_this(&self) -> bool {
        let lost = self
            .answers_to_lose
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        if lost {
            self.answers_lost.fetch_add(1, Ordering::SeqCst);
        }
        lost
    }
}

async fn connect(targets: &[SocketAddr]) -> Option<TcpStream> {
    for target in targets {
        if let Ok(server) = TcpStream::connect(target).await {
            return Some(server);
        }
    }
    None
}
