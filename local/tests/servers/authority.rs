//! A server whose certificate is of an authority of one's own, and `verify-full`, with the real program.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use testing::{DurablePostgres, own_postgres};

use super::support::{as_superuser, prepare};
use crate::process::{Running, command, healthy};

/// Makes an authority in this folder, and a certificate of it for a server of this name.
fn authority(folder: &Path, server: &str) {
    let script = r#"
        set -e
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Test authority" \
            -addext "keyUsage=critical,keyCertSign" -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout server.key -out server.csr
        printf "subjectAltName=DNS:%s\nbasicConstraints=CA:FALSE\n" "$1" > extensions
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem
    "#;
    std::fs::create_dir_all(folder).unwrap();
    let output = Command::new("sh")
        .args(["-c", script, "sh", server])
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl made no authority: {said}");
}

/// The server writes the files itself, so that they are its own, and shows the certificate to whoever connects from now on.
async fn show_certificate(server: &DurablePostgres, folder: &Path) {
    let mut statements = Vec::new();
    for name in ["server.key", "server.pem"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        statements.push(format!(
            "do $do$ begin execute format('copy (select unnest(string_to_array(%L, chr(10)))) to program %L', '{text}',
                format('umask 077; cat > %s/{name}', current_setting('data_directory'))); end $do$"
        ));
    }
    statements.push("alter system set ssl_key_file = 'server.key'".to_owned());
    statements.push("alter system set ssl_cert_file = 'server.pem'".to_owned());
    statements.push("alter system set ssl = on".to_owned());
    statements.push("select pg_reload_conf()".to_owned());
    as_superuser(server, "postgres", &statements).await;
    let url = format!(
        "postgres://postgres@127.0.0.1:{}/postgres?sslmode=require",
        server.port()
    );
    testing::wait_until("the server shows its certificate", || async {
        use store::sqlx::Connection as _;
        store::sqlx::PgConnection::connect(&url).await.is_ok()
    })
    .await;
}

/// The program's words about a server that it cannot use.
fn refused(data: &Path, url: &str, root: Option<&str>) -> String {
    let mut dompet = command(data, testing::free_ports());
    dompet.env("DATABASE_URL", url);
    if let Some(root) = root {
        dompet.env("PGSSLROOTCERT", root);
    }
    let Output { status, stderr, .. } = dompet.stderr(Stdio::piped()).output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8_lossy(&stderr).into_owned()
}

/// It starts, is healthy, and its sessions are encrypted.
async fn works(server: &DurablePostgres, data: &Path, url: &str, root: Option<&str>) {
    let ports = testing::free_ports();
    let mut dompet = command(data, ports);
    dompet.env("DATABASE_URL", url);
    if let Some(root) = root {
        dompet.env("PGSSLROOTCERT", root);
    }
    let running = Running::spawn(&mut dompet);
    healthy(ports).await;
    let plain = "do $$ begin assert (select count(*) > 0 and bool_and(s.ssl) from pg_stat_ssl s join pg_stat_activity a using (pid)
        where a.usename like 'r%'), 'a session is not encrypted'; end $$";
    as_superuser(server, "postgres", &[plain.to_owned()]).await;
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_verified_by_an_authority_of_ones_own() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (folder.path().join("ours"), folder.path().join("other"));
    authority(&ours, "localhost");
    authority(&other, "localhost");
    show_certificate(&server, &ours).await;
    let database = prepare(&server, "", &[]).await;
    let at = |host: &str, more: &str| {
        format!(
            "postgres://{}@{host}:{}/{}?sslmode=verify-full{more}",
            database.role,
            server.port(),
            database.name
        )
    };
    let file = |authority: &Path| authority.join("ca.pem").to_str().unwrap().to_owned();
    let data = folder.path().join("data");

    let in_url = format!("&sslrootcert={}", file(&ours));
    works(&server, &data, &at("localhost", &in_url), None).await;
    works(&server, &data, &at("localhost", ""), Some(&file(&ours))).await;
    let text = std::fs::read_to_string(file(&ours)).unwrap();
    works(&server, &data, &at("localhost", ""), Some(&text)).await;

    let no_such = "name the file of its CA as sslrootcert in the URL, or as PGSSLROOTCERT";
    let no_name = "connect by a name that is in the certificate, or with sslmode=verify-ca";
    for (host, root, why) in [
        ("localhost", None, no_such),
        ("localhost", Some(file(&other)), no_such),
        ("127.0.0.1", Some(file(&ours)), no_name),
    ] {
        let said = refused(&data, &at(host, ""), root.as_deref());
        let place = format!("PostgreSQL at {host}:{}", server.port());
        assert!(said.contains(why), "{said}\nlacks\n{why}");
        assert!(said.contains(&place), "{said}\nlacks\n{place}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let missing = format!("{}.no", file(&ours));
    for (in_url, root, name) in [
        (
            format!("&sslrootcert={missing}"),
            None,
            "sslrootcert in DATABASE_URL",
        ),
        (String::new(), Some(missing.as_str()), "PGSSLROOTCERT"),
    ] {
        let said = refused(&data, &at("localhost", &in_url), root);
        let why = format!("dompet: {name} is {missing}: No such file or directory\n");
        assert_eq!(said, why);
    }
}
