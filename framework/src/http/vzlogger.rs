//! The readings as vzlogger's own small server gives them, on a port of its own: for evcc, openWB and other programs
//! that know vzlogger.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | all channels, where `index` is on |
//! | `GET /<uuid>` | one channel; 404 with no data where there is none |
//!
//! A channel is a series: one reading of one source. It has one tuple, the newest number, because clients take the
//! first, and vzlogger's first is its oldest. Without a fresh number the whole channel is absent: a client would take a
//! channel without a tuple for one that reads 0.

use std::{collections::BTreeMap, convert::Infallible, io::Write as _, sync::Arc, time::Instant};

use uuid::Uuid;
use warp::{
    Filter,
    http::{HeaderValue, Method, StatusCode, header},
    path::FullPath,
    reply::Response,
};

use super::reply;
use crate::{
    Decimal, Factor, Obis, Quantity, Reading, Scaled, Store, Unit, Value, VzloggerConfig, json,
    store::Section,
};

/// What comes before the channels. Clients look at the version: from this one on channels have an `obis`.
const HEAD: &[u8] = br#"{"version":"0.8.10","generator":"vzlogger","data":["#;

/// In it, the name of a series makes its UUID (RFC 9562, version 5). It must never change: clients are configured with
/// the UUIDs.
const NAMESPACE: Uuid = Uuid::from_u128(0x0958_7527_8dd1_4b0a_9eed_e6d5_7bf7_8e8a);

/// The channels.
pub struct Vzlogger {
    store: Arc<Store>,
    index: bool,
    /// By the names of their series.
    uuids: BTreeMap<String, Uuid>,
}

impl Vzlogger {
    /// The channels of these readings.
    pub fn new(store: Arc<Store>, config: &VzloggerConfig) -> Self {
        Self { store, index: config.index, uuids: config.uuids.clone() }
    }

    /// All that it answers.
    pub(super) fn routes(
        self,
    ) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + use<> {
        let this = Arc::new(self);
        warp::path::full()
            .and(warp::method())
            .map(move |path: FullPath, method: Method| this.answer(path.as_str(), &method))
    }

    fn answer(&self, path: &str, method: &Method) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = exception("not implemented", StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let wanted = match path.strip_prefix('/').unwrap_or(path) {
            "" if !self.index => return exception("channel index is disabled", StatusCode::NOT_FOUND),
            "" => None,
            name => match Uuid::try_parse(name) {
                Ok(uuid) => Some(uuid),
                Err(_) => return reply::json(StatusCode::NOT_FOUND, [HEAD, b"]}"].concat()),
            },
        };
        let mut body = HEAD.to_vec();
        self.write_channels(&mut body, wanted);
        let found = wanted.is_none() || body.len() > HEAD.len();
        body.extend_from_slice(b"]}");
        reply::json(if found { StatusCode::OK } else { StatusCode::NOT_FOUND }, body)
    }

    /// Appends the channel with this UUID, or all of them.
    fn write_channels(&self, out: &mut Vec<u8>, wanted: Option<Uuid>) {
        let now = Instant::now();
        for section in self.store.sections() {
            let Some(view) = section.view(now).filter(|view| !view.stale) else { continue };
            let batch = &view.snapshot.batch;
            for reading in &batch.readings {
                let Value::Number(number) = reading.value else { continue };
                let series = format!("{}/{}", section.name, reading.name);
                let Some(uuid) =
                    self.uuid(&series).filter(|uuid| wanted.is_none_or(|wanted| wanted == *uuid))
                else {
                    continue;
                };
                if !out.ends_with(b"[") {
                    out.push(b',');
                }
                let taken_at = batch.taken_at.as_millisecond();
                write_channel(out, &series, uuid, section, reading, number, taken_at);
            }
        }
    }

    /// The UUID of a series; `None` where it was given to another one.
    fn uuid(&self, series: &str) -> Option<Uuid> {
        if let Some(uuid) = self.uuids.get(series) {
            return Some(*uuid);
        }
        let uuid = Uuid::new_v5(&NAMESPACE, series.as_bytes());
        self.uuids.values().all(|taken| *taken != uuid).then_some(uuid)
    }
}

fn write_channel(
    out: &mut Vec<u8>,
    series: &str,
    uuid: Uuid,
    section: &Section,
    reading: &Reading,
    number: Decimal,
    taken_at: i64,
) {
    // Writing into memory cannot fail.
    let _ = write!(out, "{{\"uuid\":\"{uuid}\",\"name\":");
    json::write_str(out, series);
    if let Some(obis) = reading.obis {
        let _ = write!(out, ",\"obis\":\"{}\"", full(obis));
    }
    let own_time = reading.time.as_ref().and_then(|time| time.utc);
    let time = own_time.map_or(taken_at, |utc| utc.as_millisecond());
    let value = without_prefix(number, reading);
    let _ = write!(
        out,
        ",\"last\":{taken_at},\"interval\":-1,\"protocol\":\"{}\",\"tuples\":[[{time},{value}]]}}",
        section.plugin
    );
}

/// Energy in Wh and power in W, which clients of vzlogger expect; anything else as it is.
fn without_prefix(number: Decimal, reading: &Reading) -> Scaled {
    let factor = reading.meaning().unit.and_then(|unit| {
        unit.factor_to(match unit.quantity() {
            Quantity::Energy => Unit::WattHour,
            Quantity::ReactiveEnergy => Unit::VarHour,
            Quantity::ApparentEnergy => Unit::VoltAmpereHour,
            Quantity::Power => Unit::Watt,
            Quantity::ReactivePower => Unit::Var,
            Quantity::ApparentPower => Unit::VoltAmpere,
            _ => return None,
        })
    });
    factor.unwrap_or(Factor::ONE).apply(number)
}

/// All six groups; what the meter leaves out is electricity, channel 0, the current value.
fn full(obis: Obis) -> String {
    let (medium, channel) = (obis.medium().unwrap_or(1), obis.channel().unwrap_or(0));
    let (c, d, e) = obis.cde();
    format!("{medium}-{channel}:{c}.{d}.{e}*{}", obis.history().unwrap_or(255))
}

fn exception(message: &str, status: StatusCode) -> Response {
    let mut body = HEAD.to_vec();
    let _ = write!(body, r#"],"exception":{{"message":"{message}","code":0}}}}"#);
    reply::json(status, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_filled_up() {
        for (sent, expected) in [
            ("1.8.0", "1-0:1.8.0*255"),
            ("1-0:1.8.0*255", "1-0:1.8.0*255"),
            ("32.7", "1-0:32.7.0*255"),
            ("1.8.0*01", "1-0:1.8.0*1"),
            ("0-1:24.2.1", "0-1:24.2.1*255"),
            ("C.1.0", "1-0:96.1.0*255"),
        ] {
            assert_eq!(full(Obis::parse(sent.as_bytes()).unwrap()), expected);
        }
    }

    #[test]
    fn the_uuid_of_a_series_never_changes() {
        let uuid = Uuid::new_v5(&NAMESPACE, b"smartmeter_d0/POWER_IMPORT");
        assert_eq!(uuid.to_string(), "7ccc2b59-f55b-5d1d-a200-dcde964734ba");
    }
}
