//! The plugin as a client reads it.

#![allow(clippy::unwrap_used)] // a test's own sockets

use framework::{Batch, Reading, testing};
use plugin_NAME::Plugin;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

#[test]
fn keeps_the_contract() {
    testing::check_endpoint::<Plugin>();
}

#[tokio::test]
async fn a_client_gets_a_line_for_each_number() {
    let config = r#"
        [endpoints.NAME]
        plugin = "NAME"
        listen = "127.0.0.1:0"
    "#;
    let mut endpoint = testing::endpoint::<Plugin>(config).endpoint;
    let listener = TcpListener::bind(endpoint.listen()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let batch = Batch::now(vec![Reading::gauge("power", 312).unit("W")]);
    let program = testing::publisher_context(&[("grid", batch)]);
    let context = testing::endpoint_context(&program);
    tokio::spawn(async move { endpoint.serve(listener, context).await });

    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\ngrid/power 312 W\n"), "{answer}");
}
