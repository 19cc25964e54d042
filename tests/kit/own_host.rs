//! An agent in a container or pod tries to use the API of its own host: by its socket, by its port, with whatever token it finds.

use crate::user::Spawned;

/// Perl's own modules, which every Debian image has: sends one request to a socket or to a port, prints the first line of the answer.
const ASK: &str = r#"use IO::Socket::UNIX; use IO::Socket::INET;
my ($to, $token) = @ARGV;
my $s = $to =~ m{^/} ? IO::Socket::UNIX->new(Peer => $to) : IO::Socket::INET->new(PeerAddr => $to);
if (!$s) { print "no connection\n"; exit }
print $s "POST /stop HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer $token\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
$s->flush; my $line = <$s>; $line =~ s/\r?\n//; print substr($line, 9, 3), "\n";"#;

/// A shell in a Debian image cannot end its own agent by the host's API, also not with what stands in its launch where it can read that, and
/// reads neither the host's memory nor its variables.
pub async fn is_out_of_reach(agent: &Spawned) {
    let write = format!("cat > /tmp/ask.pl <<'PERL'\n{ASK}\nPERL\necho written");
    assert!(agent.say(write).await.ends_with("written"));
    let refused = |said: &str| ["no connection", "401", "403"].contains(&said.trim());
    let said = agent.say("perl /tmp/ask.pl 127.0.0.1:3110 guess").await;
    assert!(refused(&said), "by its port: {said}");
    let sockets = "find / -path /proc -prune -o -name host.sock -print 2>/dev/null | while read s; do perl /tmp/ask.pl $s guess; done; echo end";
    let said = agent.say(sockets).await;
    for line in said.lines().filter(|line| *line != "end") {
        assert!(refused(line), "by its socket: {said}");
    }
    let token = "sed -n 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/p' /run/parallax/launch.json 2>/dev/null";
    let said = agent.say(format!("perl /tmp/ask.pl 127.0.0.1:3110 \"$({token})\"")).await;
    assert!(refused(&said), "with what its launch has: {said}");
    let looked =
        "for f in /proc/1/environ /proc/1/mem; do cat $f >/dev/null 2>&1 && echo read $f; done; echo end";
    assert_eq!(agent.say(looked).await, "end");
    assert_eq!(agent.say("echo still here").await, "still here");
}
