//! vzlogger's JSON.

use std::{collections::BTreeMap, io::Write as _};

use framework::{Decimal, EndpointContext, Obis, Quantity, Reading, Scaled, Snapshot, Unit, Value, json};
use uuid::Uuid;
use warp::{
    http::{HeaderValue, Method, StatusCode, header},
    reply::Response,
};

/// Beginning of every answer. Clients look at the version: from this one on, channels have an `obis`.
const HEAD: &[u8] = br#"{"version":"0.8.10","generator":"vzlogger","data":["#;

/// Namespace in which the name of a series makes its UUID (RFC 9562, version 5). It must never change: clients are
/// configured with the UUIDs.
const NAMESPACE: Uuid = Uuid::from_u128(0x0958_7527_8dd1_4b0a_9eed_e6d5_7bf7_8e8a);

/// The channels, as configured.
pub(crate) struct Channels {
    /// Permission for `GET /` to list all channels.
    pub(crate) index: bool,
    /// UUIDs by the names of their series, `source/READING`.
    pub(crate) uuids: BTreeMap<String, Uuid>,
}

impl Channels {
    pub(crate) fn answer(&self, path: &str, method: &Method, readings: &EndpointContext) -> Response {
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
                Err(_) => return reply(StatusCode::NOT_FOUND, [HEAD, b"]}"].concat()),
            },
        };
        let mut body = HEAD.to_vec();
        for snapshot in readings.latest() {
            self.write_channels(&mut body, &snapshot, wanted);
        }
        let found = wanted.is_none() || body.len() > HEAD.len();
        body.extend_from_slice(b"]}");
        reply(if found { StatusCode::OK } else { StatusCode::NOT_FOUND }, body)
    }

    /// Appends the channel of one source with this UUID, or all of them.
    fn write_channels(&self, out: &mut Vec<u8>, snapshot: &Snapshot, wanted: Option<Uuid>) {
        for reading in &snapshot.batch.readings {
            let Value::Number(number) = reading.value else { continue };
            let series = format!("{}/{}", snapshot.section, reading.name);
            let uuid = self.uuid(&series).filter(|uuid| wanted.is_none_or(|wanted| wanted == *uuid));
            let Some(uuid) = uuid else { continue };
            if !out.ends_with(b"[") {
                out.push(b',');
            }
            write_channel(out, &series, uuid, snapshot, reading, number);
        }
    }

    /// Returns the UUID of a series; `None` if it was given to another one.
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
    snapshot: &Snapshot,
    reading: &Reading,
    number: Decimal,
) {
    // Writing into memory cannot fail.
    let _ = write!(out, "{{\"uuid\":\"{uuid}\",\"name\":");
    json::write(out, series);
    if let Some(obis) = reading.obis {
        let _ = write!(out, ",\"obis\":\"{}\"", full(obis));
    }
    let last = snapshot.batch.taken_at.as_millisecond();
    let own_time = reading.time.as_ref().and_then(|time| time.utc);
    let time = own_time.map_or(last, |utc| utc.as_millisecond());
    let (value, plugin) = (without_prefix(number, reading), snapshot.plugin);
    let _ = write!(
        out,
        ",\"last\":{last},\"interval\":-1,\"protocol\":\"{plugin}\",\"tuples\":[[{time},{value}]]}}"
    );
}

/// Returns energy in Wh and power in W, which clients of vzlogger expect; anything else as it is.
fn without_prefix(number: Decimal, reading: &Reading) -> Scaled {
    let converted = reading.meaning().unit.and_then(|unit| {
        let other = match unit.quantity() {
            Quantity::Energy => Unit::WattHour,
            Quantity::ReactiveEnergy => Unit::VarHour,
            Quantity::ApparentEnergy => Unit::VoltAmpereHour,
            Quantity::Power => Unit::Watt,
            Quantity::ReactivePower => Unit::Var,
            Quantity::ApparentPower => Unit::VoltAmpere,
            _ => return None,
        };
        unit.convert(number, other)
    });
    converted.unwrap_or(number.into())
}

/// Returns all six groups of a code. The ones that a meter leaves out are electricity, channel 0, the current value.
fn full(obis: Obis) -> String {
    let (medium, channel) = (obis.medium().unwrap_or(1), obis.channel().unwrap_or(0));
    let (c, d, e) = obis.cde();
    format!("{medium}-{channel}:{c}.{d}.{e}*{}", obis.history().unwrap_or(255))
}

fn exception(message: &str, status: StatusCode) -> Response {
    let mut body = HEAD.to_vec();
    let _ = write!(body, r#"],"exception":{{"message":"{message}","code":0}}}}"#);
    reply(status, body)
}

fn reply(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
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
