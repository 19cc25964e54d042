//! What agents on the network of their own may reach: names and public addresses, and what `--egress` adds. Not the
//! machine, its private networks, other containers and metadata services.
//!
//! Enforced by iptables on this machine: `DOCKER-USER` filters what is forwarded, `INPUT` what is for the machine itself. That
//! takes an engine on this machine and the right to change its firewall; elsewhere it is logged that nothing is enforced.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Addresses that are not on the public internet: <https://www.iana.org/assignments/iana-ipv4-special-registry>.
const PRIVATE: [&str; 11] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// Where the machine's name servers are listed. The engine hands containers those that are not on the loopback interface.
const RESOLV_CONF: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// The egress policy of this server's agents.
#[derive(Debug, Default)]
pub(crate) struct Egress {
    /// Everything may be reached.
    open: bool,
    allowed: Vec<Target>,
    /// Whether it was logged that nothing is enforced.
    warned: AtomicBool,
}

/// Addresses, and a TCP port of them or all.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    address: Ipv4Addr,
    prefix: u8,
    port: Option<u16>,
}

impl Egress {
    /// Reads the values of `--egress`.
    ///
    /// # Errors
    /// For what is neither `all` nor an IPv4 address or network.
    pub(crate) fn parse(texts: &[String]) -> anyhow::Result<Self> {
        let open = texts.iter().any(|text| text == "all");
        let targets = texts.iter().filter(|text| *text != "all");
        let allowed = targets.map(|text| text.parse()).collect::<anyhow::Result<_>>()?;
        Ok(Self { open, allowed, warned: AtomicBool::new(false) })
    }

    /// What distinguishes the network of a policy from those of others: servers with the same policy share one.
    pub(crate) fn suffix(&self) -> String {
        if !self.is_configured() {
            return String::new();
        }
        let mut targets: Vec<String> = self.allowed.iter().map(Target::to_string).collect();
        targets.sort_unstable();
        let policy = if self.open { "all".to_owned() } else { targets.join(",") };
        format!("-{}", &hex::encode(Sha256::digest(policy))[..8])
    }

    /// Whether everything may be reached.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether any `--egress` was given.
    pub(crate) fn is_configured(&self) -> bool {
        self.open || !self.allowed.is_empty()
    }

    /// Makes sure that the policy is enforced for the containers behind this bridge.
    pub(crate) async fn enforce(&self, bridge: &str) {
        if self.open {
            return;
        }
        if let Err(error) = self.install(bridge).await
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                bridge,
                error = format!("{error:#}"),
                "agents can reach this machine and its private networks: their egress cannot be restricted here"
            );
        }
    }

    async fn install(&self, bridge: &str) -> anyhow::Result<()> {
        ensure!(
            Path::new("/sys/class/net").join(bridge).exists(),
            "the engine's bridge is not on this machine"
        );
        let chains = Chains::of(bridge);
        let jumps = chains.jumps(bridge);
        let mut installed = true;
        for jump in &jumps {
            installed &= iptables(&[&["-C"], &jump[..]].concat()).await.is_ok();
        }
        if installed {
            return Ok(());
        }
        restore(&self.rules(&chains, &name_servers())).await?;
        for jump in &jumps {
            if iptables(&[&["-C"], &jump[..]].concat()).await.is_err() {
                iptables(&[&["-I"], &jump[..]].concat()).await?;
            }
        }
        tracing::info!(bridge, "the egress of agents is restricted");
        Ok(())
    }

    /// The two chains, for `iptables-restore --noflush`: it replaces them as a whole.
    fn rules(&self, chains: &Chains, name_servers: &[Ipv4Addr]) -> String {
        let chains_of = [&chains.forward, &chains.input];
        let mut rules = vec!["*filter".to_owned()];
        rules.extend(chains_of.map(|chain| format!(":{chain} - [0:0]")));
        for chain in chains_of {
            // Answers, also those of hosts to this server.
            rules.push(format!("-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"));
            for server in name_servers {
                for protocol in ["udp", "tcp"] {
                    rules.push(format!("-A {chain} -d {server}/32 -p {protocol} --dport 53 -j RETURN"));
                }
            }
            rules.extend(self.allowed.iter().map(|target| format!("-A {chain} {}", target.matching())));
        }
        rules.extend(PRIVATE.map(|range| format!("-A {} -d {range} -j REJECT", chains.forward)));
        // Whatever address it has: the machine's public ones as well.
        rules.push(format!("-A {} -j REJECT", chains.input));
        rules.push("COMMIT\n".to_owned());
        rules.join("\n")
    }
}

/// The names of a bridge's chains, which are at most 28 characters.
struct Chains {
    forward: String,
    input: String,
}

impl Chains {
    fn of(bridge: &str) -> Self {
        Self { forward: format!("PXF-{bridge}"), input: format!("PXI-{bridge}") }
    }

    fn jumps<'a>(&'a self, bridge: &'a str) -> [[&'a str; 5]; 2] {
        [["DOCKER-USER", "-i", bridge, "-j", &self.forward], ["INPUT", "-i", bridge, "-j", &self.input]]
    }
}

/// Removes the rules of a bridge that is gone. There may be none, and no right to remove them.
pub(crate) async fn remove(bridge: &str) {
    let chains = Chains::of(bridge);
    for jump in chains.jumps(bridge) {
        drop(iptables(&[&["-D"], &jump[..]].concat()).await);
    }
    for chain in [&chains.forward, &chains.input] {
        drop(iptables(&["-F", chain]).await);
        drop(iptables(&["-X", chain]).await);
    }
}

fn name_servers() -> Vec<Ipv4Addr> {
    let text: String = RESOLV_CONF.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let servers = text.lines().filter_map(|line| line.strip_prefix("nameserver")?.trim().parse().ok());
    let mut servers: Vec<Ipv4Addr> = servers.filter(|server: &Ipv4Addr| !server.is_loopback()).collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

async fn iptables(args: &[&str]) -> anyhow::Result<()> {
    let done = Command::new("iptables").args(["-w", "5"]).args(args).stdin(Stdio::null()).output().await;
    let done = done.context("failed to run iptables")?;
    ensure!(done.status.success(), "iptables: {}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}

async fn restore(rules: &str) -> anyhow::Result<()> {
    let mut child = Command::new("iptables-restore")
        .args(["-w", "5", "--noflush"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("failed to run iptables-restore")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(rules.as_bytes()).await.context("iptables-restore did not read")?;
    }
    let done = child.wait_with_output().await.context("failed to run iptables-restore")?;
    ensure!(done.status.success(), "iptables-restore: {}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}

impl Target {
    fn matching(&self) -> String {
        let port = self.port.map(|port| format!(" -p tcp --dport {port}")).unwrap_or_default();
        format!("-d {}/{}{port} -j RETURN", self.address, self.prefix)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}:{}", self.address, self.prefix, self.port.unwrap_or_default())
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;

    /// `ADDRESS`, `ADDRESS/PREFIX`, and either with `:PORT`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parsed = || {
            let (network, port) = match text.split_once(':') {
                Some((network, port)) => (network, Some(port.parse().ok().filter(|port| *port > 0)?)),
                None => (text, None),
            };
            let (address, prefix) = network.split_once('/').unwrap_or((network, "32"));
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
            Some(Self { address: address.parse().ok()?, prefix, port })
        };
        parsed().with_context(|| {
            format!("--egress is `all`, or an IPv4 address or network such as 10.1.0.0/16 or 10.1.2.3:443, not `{text}`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(texts: &[&str]) -> anyhow::Result<Egress> {
        Egress::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn targets() {
        let rule = |text: &str| text.parse::<Target>().ok().map(|target| target.matching());
        assert_eq!(rule("10.1.2.3").unwrap(), "-d 10.1.2.3/32 -j RETURN");
        assert_eq!(rule("10.1.0.0/16").unwrap(), "-d 10.1.0.0/16 -j RETURN");
        assert_eq!(rule("10.1.2.3:443").unwrap(), "-d 10.1.2.3/32 -p tcp --dport 443 -j RETURN");
        for bad in
            ["", "host", "10.1.2", "10.1.2.3/33", "10.1.2.3:0", "10.1.2.3:x", "10.1.2.3 -j ACCEPT", "::1"]
        {
            assert_eq!(rule(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_policy_has_a_network_of_its_own() {
        let suffix = |texts: &[&str]| egress(texts).unwrap().suffix();
        assert_eq!(suffix(&[]), "");
        assert_ne!(suffix(&["all"]), "");
        assert_ne!(suffix(&["10.0.0.1"]), suffix(&["10.0.0.2"]));
        assert_eq!(suffix(&["10.0.0.1", "10.0.0.2"]), suffix(&["10.0.0.2", "10.0.0.1"]));
        assert!(egress(&["nowhere"]).is_err());
    }

    #[test]
    fn private_ranges_and_the_machine_are_refused_last() {
        let egress = egress(&["10.1.2.3:443"]).unwrap();
        let rules = egress.rules(&Chains::of("br-0123456789ab"), &["192.168.1.1".parse().unwrap()]);
        let at = |rule: &str| rules.find(rule).unwrap_or_else(|| panic!("no {rule} in {rules}"));
        let forward = |rule: &str| at(&format!("-A PXF-br-0123456789ab {rule}"));
        assert!(forward("-d 192.168.1.1/32 -p udp --dport 53") < forward("-d 192.168.0.0/16 -j REJECT"));
        assert!(forward("-d 10.1.2.3/32 -p tcp --dport 443 -j RETURN") < forward("-d 10.0.0.0/8 -j REJECT"));
        assert!(forward("-d 169.254.0.0/16 -j REJECT") < at("-A PXI-br-0123456789ab -j REJECT"));
        assert!(Chains::of("br-0123456789ab").forward.len() <= 28);
    }
}
