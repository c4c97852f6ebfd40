//! The web pages: who gets them, how they come, and that everything else stays what it was.

use http::Method;
use serde_json::json;

use crate::world::World;

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

/// The address of the first page's script.
fn script(page: &str) -> String {
    written_script(page).trim_start_matches('.').to_owned()
}

/// The same as the page has it.
fn written_script(page: &str) -> &str {
    let end = page.find(".js\"").unwrap();
    let start = page[..end].rfind('"').unwrap();
    &page[start + 1..end + 3]
}

/// A proxy may have the pages under a path of its own.
#[tokio::test]
async fn a_page_loads_its_files_from_beside_itself() {
    let world = World::start().await;
    for (path, up) in [
        ("/", "./"),
        ("/profile", "./"),
        ("/activity/7", "../"),
        ("/wallets/new", "../"),
    ] {
        let page = world
            .client
            .send(Method::GET, path, None, &[HTML])
            .await
            .text();
        let script = written_script(&page);
        assert!(
            script.starts_with(&format!("{up}assets/")),
            "{path}: {script}"
        );
        assert!(
            !page.contains("=\"/"),
            "{path} has an address from the root: {page}"
        );
    }
}

#[tokio::test]
async fn a_browser_gets_the_page_at_every_address_of_it() {
    let world = World::start().await;
    for path in [
        "/",
        "/sign-in",
        "/activity",
        "/activity/7",
        "/wallets/new",
        "/send?to=2",
    ] {
        let page = world.client.send(Method::GET, path, None, &[HTML]).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers["cache-control"], "no-cache");
        assert!(page.text().contains("<div id=\"app\">"), "{path}");
        let head = world.client.send(Method::HEAD, path, None, &[HTML]).await;
        assert_eq!((head.status.as_u16(), head.bytes.len()), (200, 0), "{path}");
    }
    assert!(world.seen().is_empty());
}

#[tokio::test]
async fn everything_else_stays_what_it_was() {
    let world = World::start().await;
    for path in [
        "/nowhere",
        "/api",
        "/api/v1/nowhere",
        "/api/nowhere",
        "/assets/nowhere.js",
        "/activity/7/x",
    ] {
        let answer = world.client.send(Method::GET, path, None, &[HTML]).await;
        assert_eq!(answer.expect(404)["error"], "Endpoint not found", "{path}");
    }
    // A program, and not a browser.
    for accept in ["*/*", "application/json", "text/html;q=0, */*"] {
        let answer = world
            .client
            .send(Method::GET, "/activity", None, &[("accept", accept)])
            .await;
        assert_eq!(answer.expect(404)["code"], "endpoint_not_found", "{accept}");
    }
    let answer = world
        .client
        .send(Method::POST, "/activity", Some(json!({})), &[HTML])
        .await;
    assert_eq!(answer.expect(405)["code"], "method_not_allowed");
    for path in [
        "/docs/",
        "/openapi.json",
        "/livez",
        "/metrics",
        "/health",
        "/api/v1/config",
    ] {
        let answer = world.client.send(Method::GET, path, None, &[HTML]).await;
        assert!(!answer.text().contains("<div id=\"app\">"), "{path}");
    }
}

#[tokio::test]
async fn only_its_own_scripts_run_and_nobody_frames_it() {
    let world = World::start().await;
    let page = world.client.send(Method::GET, "/", None, &[HTML]).await;
    let script = world.client.get(&script(&page.text())).await;
    for answer in [&page, &script] {
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    }
    let text = page.text();
    assert!(
        !text.contains("http://") && !text.contains("https://"),
        "{text}"
    );
    assert!(
        !text.contains("<style") && !text.contains("style="),
        "{text}"
    );
}

#[tokio::test]
async fn files_come_compressed_once_and_are_kept_forever() {
    let world = World::start().await;
    let page = world
        .client
        .send(Method::GET, "/", None, &[HTML])
        .await
        .text();
    let path = script(&page);
    let sizes = ["br", "gzip, deflate", "identity", "br;q=0"].map(|coding| {
        let (client, path) = (&world.client, &path);
        async move {
            let answer = client
                .send(Method::GET, path, None, &[("accept-encoding", coding)])
                .await;
            assert_eq!(
                answer.headers["cache-control"],
                "public, max-age=31536000, immutable"
            );
            let named = answer
                .headers
                .get("content-encoding")
                .map(|value| value.to_str().unwrap().to_owned());
            (named, answer.bytes.len())
        }
    });
    let mut found = Vec::new();
    for one in sizes {
        found.push(one.await);
    }
    let names: Vec<Option<&str>> = found.iter().map(|(name, _)| name.as_deref()).collect();
    assert_eq!(names, [Some("br"), Some("gzip"), None, None]);
    assert!(
        found[0].1 < found[1].1 && found[1].1 * 2 < found[2].1,
        "{found:?}"
    );
    assert_eq!(found[2].1, found[3].1);
}

#[tokio::test]
async fn a_version_that_is_known_is_not_sent_again() {
    let world = World::start().await;
    let first = world.client.send(Method::GET, "/", None, &[HTML]).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let strong = tag.trim_start_matches("W/").to_owned();
    for known in [tag.clone(), strong, format!("\"x\", {tag}"), "*".to_owned()] {
        let again = world
            .client
            .send(Method::GET, "/", None, &[HTML, ("if-none-match", &known)])
            .await;
        assert_eq!(
            (again.status.as_u16(), again.bytes.len()),
            (304, 0),
            "{known}"
        );
        assert_eq!(again.headers["etag"], first.headers["etag"]);
    }
    let other = world
        .client
        .send(Method::GET, "/", None, &[HTML, ("if-none-match", "\"x\"")])
        .await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn demo_logins_are_offered_only_where_there_are_some() {
    let world = World::start().await;
    for path in ["/api/v1/config", "/api/config"] {
        assert_eq!(
            world.client.get(path).await.expect(200),
            json!({"demo_logins": []})
        );
    }
    let login = gateway::DemoLogin {
        email: "john@example.com".to_owned(),
        password: "password123".to_owned(),
    };
    let world = World::with(|config| config.demo_logins = vec![login]).await;
    assert_eq!(
        world.client.get("/api/v1/config").await.expect(200),
        json!({"demo_logins": [{"email": "john@example.com", "password": "password123"}]})
    );
}
