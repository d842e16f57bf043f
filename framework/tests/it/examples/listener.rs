//! Numbers in UDP datagrams: a source that pushes, from a stream.
use framework::{AcquireError, Batch, ConfigError, Decimal, Reading, Source, SourceContext, stream};
struct Listener;
#[derive(Debug, serde::Deserialize)]
struct Config {
    listen: std::net::SocketAddr,
}
impl framework::SourcePlugin for Listener {
    const KIND: &'static str = "listener";
    const ABOUT: &'static str = "numbers in UDP datagrams";
    const SAMPLE: &'static str = "[sources.udp]\nplugin = \"listener\"\nlisten = \"127.0.0.1:0\"\n";
    type Config = Config;
    fn build(Config { listen }: Config, _: &SourceContext) -> Result<Source, ConfigError> {
        Ok(Source::stream(move || async move {
            let socket = tokio::net::UdpSocket::bind(listen).await?;
            Ok(stream::try_unfold((socket, [0; 64]), async |(socket, mut bytes)| {
                let len = socket.recv(&mut bytes).await?;
                let number =
                    Decimal::parse(&bytes[..len]).ok_or_else(|| AcquireError::malformed("no number"))?;
                Ok(Some((Batch::now(vec![Reading::gauge("n", number)]), (socket, bytes))))
            }))
        }))
    }
}
framework::register_source!(Listener);
