//! Which processes there are, and what is between them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use local::{Config, Home};
use testing::{DurablePostgres, Link, free_ports};

use super::{Bank, PEER_URL, SECRET, Server};
use crate::disk::SmallDisk;
use crate::process::{CLOCK_JUMPS, Role};

impl Bank {
    pub(super) async fn on_sqlite(
        program: PathBuf,
        folder: tempfile::TempDir,
        disk: Option<SmallDisk>,
        jumps: bool,
    ) -> anyhow::Result<Bank> {
        let data = match &disk {
            Some(disk) => disk.folder().join("data"),
            None => folder.path().join("data"),
        };
        let ports: [u16; 5] = free_ports();
        let names = [
            "GATEWAY",
            "USER_SERVICE",
            "WALLET_SERVICE",
            "TRANSACTION_SERVICE",
            "PAYMENT_SERVICE",
        ];
        let mut variables: Vec<(String, String)> = names
            .iter()
            .zip(ports)
            .map(|(name, port)| (format!("{name}_PORT"), port.to_string()))
            .collect();
        variables.push(("DATA_DIR".to_owned(), data.display().to_string()));
        variables.push(("DEMO_DATA".to_owned(), "false".to_owned()));
        if jumps {
            variables.push((CLOCK_JUMPS.to_owned(), "1".to_owned()));
        }
        let server = Server {
            name: "local",
            role: Role::Local,
            port: ports[0],
            variables,
            child: None,
        };
        Ok(Bank {
            program,
            folder,
            postgres: None,
            links: vec![("clients to gateway", Link::to(address(ports[0])).await)],
            servers: vec![server],
            disk,
            home: home(&data, None),
        })
    }

    pub(super) async fn on_postgres(
        program: PathBuf,
        folder: tempfile::TempDir,
        disk: Option<SmallDisk>,
        jumps: bool,
    ) -> anyhow::Result<Bank> {
        let postgres = match &disk {
            Some(disk) => DurablePostgres::start_in(disk.folder()).await?,
            None => DurablePostgres::start().await?,
        };
        let url = postgres.url();
        let home = home(folder.path(), Some(url));
        user::migrate(&home.database("user")).await?;
        wallet::migrate(&home.database("wallet")).await?;
        transaction::migrate(&home.database("transaction")).await?;
        payment::migrate(&home.database("payment")).await?;

        let database = address(postgres.port());
        let [
            gateway,
            user,
            wallet_a,
            wallet_b,
            transaction,
            payment_a,
            payment_b,
        ] = free_ports();
        let wallets = || vec![address(wallet_a), address(wallet_b)];
        let payments = vec![address(payment_a), address(payment_b)];
        let to_wallet = Link::to_any(wallets()).await;
        let (to_a, to_b) = (
            Link::to(address(wallet_a)).await,
            Link::to(address(wallet_b)).await,
        );
        let wallet_for_payment = Link::to_any(wallets()).await;
        let wallet_for_history = Link::to_any(wallets()).await;
        let to_payment = Link::to_any(payments).await;
        let to_transaction = Link::to(address(transaction)).await;
        let to_user = Link::to(address(user)).await;
        let [db_user, db_a, db_b, db_transaction, db_payment] = [
            Link::to(database).await,
            Link::to(database).await,
            Link::to(database).await,
            Link::to(database).await,
            Link::to(database).await,
        ];
        let server = |name, role: Role, port, link: Option<&Link>, wallet: &Link| {
            let mut variables = vec![
                ("USER_SERVICE_URL".to_owned(), to_user.url()),
                ("WALLET_SERVICE_URL".to_owned(), wallet.url()),
                ("TRANSACTION_SERVICE_URL".to_owned(), to_transaction.url()),
                ("PAYMENT_SERVICE_URL".to_owned(), to_payment.url()),
            ];
            if let Some(link) = link {
                let url = format!("postgres://postgres@127.0.0.1:{}/postgres", link.port());
                variables.push(("DATABASE_URL".to_owned(), url));
                variables.push(("DATABASE_SCHEMA".to_owned(), role.word().to_owned()));
            }
            if jumps && role == Role::Wallet {
                variables.push((CLOCK_JUMPS.to_owned(), "1".to_owned()));
            }
            Server {
                name,
                role,
                port,
                variables,
                child: None,
            }
        };
        let among_peers = |mut server: Server, link: &Link| {
            server.variables.push((PEER_URL.to_owned(), link.url()));
            server
        };
        let servers = vec![
            server("user", Role::User, user, Some(&db_user), &to_wallet),
            among_peers(
                server("wallet a", Role::Wallet, wallet_a, Some(&db_a), &to_wallet),
                &to_a,
            ),
            among_peers(
                server("wallet b", Role::Wallet, wallet_b, Some(&db_b), &to_wallet),
                &to_b,
            ),
            server(
                "transaction",
                Role::Transaction,
                transaction,
                Some(&db_transaction),
                &wallet_for_history,
            ),
            server(
                "payment a",
                Role::Payment,
                payment_a,
                Some(&db_payment),
                &wallet_for_payment,
            ),
            server(
                "payment b",
                Role::Payment,
                payment_b,
                Some(&db_payment),
                &wallet_for_payment,
            ),
            server("gateway", Role::Gateway, gateway, None, &to_wallet),
        ];
        let links = vec![
            ("clients to gateway", Link::to(address(gateway)).await),
            ("gateway to wallet", to_wallet),
            ("gateway to payment", to_payment),
            ("gateway to transaction", to_transaction),
            ("payment to wallet", wallet_for_payment),
            ("transaction to wallet", wallet_for_history),
            ("wallet b to wallet a", to_a),
            ("wallet a to wallet b", to_b),
            ("everybody to user", to_user),
            ("user to its database", db_user),
            ("wallet a to its database", db_a),
            ("wallet b to its database", db_b),
            ("transaction to its database", db_transaction),
            ("payment to its database", db_payment),
        ];
        Ok(Bank {
            program,
            folder,
            postgres: Some(postgres),
            servers,
            links,
            disk,
            home,
        })
    }
}

fn home(data_dir: &Path, database_url: Option<String>) -> Home {
    Home::new(&Config {
        database_url,
        ..Config::on_free_ports(data_dir, SECRET)
    })
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
