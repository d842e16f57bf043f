use qrcodegen::{QrCode, QrCodeEcc};

use super::*;

#[tokio::test]
async fn the_address_of_the_page_is_drawn_as_a_qr_code() {
    let program = Setup::default().start().await;
    let answer = program.get("/qr?address=http%3A%2F%2F192.168.1.5%3A8080%2F").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/svg+xml")));
    let code = QrCode::encode_text("http://192.168.1.5:8080/", QrCodeEcc::Medium).unwrap();
    let side = code.size() + 8;
    assert!(answer.body.contains(&format!("viewBox=\"0 0 {side} {side}\"")), "{}", answer.body);
    for y in -4..code.size() + 4 {
        for x in -4..code.size() + 4 {
            let is_drawn = answer.body.contains(&format!("M{} {}h1v1h-1z", x + 4, y + 4));
            assert_eq!(is_drawn, code.get_module(x, y), "{x} {y}");
        }
    }
}

#[tokio::test]
async fn nothing_but_the_address_of_a_page_becomes_a_qr_code() {
    let program = Setup::default().start().await;
    let long = format!("http://x/{}", "a".repeat(600));
    for query in [
        "",
        "?",
        "?address=",
        "?address=javascript:alert(1)",
        "?address=ftp://x/",
        "?address=http://x/%23token=secret",
        "?address=http://x/%0a",
        "?address=http://x/%20y",
        "?address=http://x/&address=http://y/",
        "?text=http://x/",
        &format!("?address={long}"),
    ] {
        let answer = program.get(&format!("/qr{query}")).await;
        assert_eq!(answer.error(), (400, "bad_request".to_owned()), "{query}");
    }
    let closed = Setup { config: "read_token = \"s3cret\"", ..Setup::default() };
    let request = "GET /qr?address=http://x/ HTTP/1.1\r\nHost: 192.168.1.7\r\nConnection: close\r\n\r\n";
    assert_eq!(closed.ask_from("192.168.1.9", request).await.status, 401);
}
