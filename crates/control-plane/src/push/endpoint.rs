//! Where messages may go. Endpoints come from clients, so none may lead this server to itself, its network or another service of
//! the machine: only `https`, only its usual port, only addresses of the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use parallax_api::Problem;
use parallax_api::push::MAX_ENDPOINT;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The address, when messages may go there. `loopback`: also to servers of this machine, without TLS; for tests.
///
/// # Errors
/// `VALIDATION_ERROR` with why they may not.
pub fn checked(endpoint: &str, loopback: bool) -> Result<Url, Problem> {
    let refused = |why: &str| Problem::invalid("endpoint", format!("the endpoint of a push service {why}"));
    if endpoint.len() > MAX_ENDPOINT {
        return Err(refused(&format!("has at most {MAX_ENDPOINT} bytes")));
    }
    let url: Url = endpoint.parse().map_err(|_| refused("is an `https` address"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("names no user"));
    }
    let Some(host) = url.host_str() else { return Err(refused("names a host")) };
    let literal: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    if loopback && literal.is_some_and(|address| address.is_loopback()) {
        return Ok(url);
    }
    if url.scheme() != "https" || url.port().is_some() {
        return Err(refused("is an `https` address with the usual port"));
    }
    if literal.is_some() || !host.contains('.') {
        return Err(refused("names a host of the internet, and no address"));
    }
    Ok(url)
}

/// Looks names up, and keeps what is an address of the internet: a name may lead anywhere.
#[derive(Debug)]
pub struct InternetOnly;

impl Resolve for InternetOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await?
                .filter(|address| is_internet(address.ip()))
                .collect();
            if found.is_empty() {
                let why = format!("`{}` has no address of the internet", name.as_str());
                return Err(why.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the internet: not of this machine, a private network, or set aside for something else.
fn is_internet(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_internet_v4(address),
        IpAddr::V6(address) => is_internet_v6(address),
    }
}

fn is_internet_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_set_aside = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b));
    !is_set_aside
}

fn is_internet_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_internet_v4(inner);
    }
    let [first, second, ..] = address.segments();
    let octets = address.octets();
    match (first, second) {
        // 6to4, and the addresses of translators: what they lead to stands in them.
        (0x2002, _) => is_internet_v4(Ipv4Addr::new(octets[2], octets[3], octets[4], octets[5])),
        (0x64, 0xff9b) => is_internet_v4(Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15])),
        // Teredo, documentation, ORCHID.
        (0x2001, second) if second == 0 || second == 0xdb8 || (0x10..0x30).contains(&second) => false,
        _ => (first & 0xe000) == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let may = |endpoint: &str| checked(endpoint, false).is_ok();
        assert!(may("https://fcm.googleapis.com/fcm/send/abc"));
        assert!(may("https://updates.push.services.mozilla.com/wpush/v2/x"));
        for bad in [
            "http://push.example.com/x",
            "https://push.example.com:8443/x",
            "https://user@push.example.com/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://0x7f000001/x",
            "https://2130706433/x",
            "https://localhost/x",
            "https://metadata/x",
            "file:///etc/passwd",
            "ftp://push.example.com/",
            "",
        ] {
            assert!(!may(bad), "{bad}");
            assert!(
                bad.contains("127.0.0.1")
                    || bad.contains("::1")
                    || bad.contains("0x7f")
                    || bad.contains("2130706433")
                    || checked(bad, true).is_err(),
                "{bad}"
            );
        }
        assert!(!may(&format!("https://push.example.com/{}", "x".repeat(MAX_ENDPOINT))));
        assert!(checked("http://127.0.0.1:9/x", true).is_ok());
        assert!(checked("http://10.0.0.1/x", true).is_err());
    }

    #[test]
    fn addresses_of_the_internet() {
        for address in ["8.8.8.8", "142.250.1.1", "2a00:1450:4001:800::200e", "64:ff9b::808:808"] {
            assert!(is_internet(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!is_internet(address.parse().unwrap()), "{address}");
        }
    }
}
