//! The fake CLI agent: see [`parallax_testkit::fake_agent`].

use parallax_testkit::fake_agent::{self, Options};
use parallax_testkit::served;
use tokio::runtime::Builder;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("--version") => println!("fake-agent 1.0.0"),
        Some("--daemonise") => fake_agent::daemonise()?,
        Some("--serve") => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(served::serve(args.get(1).map_or("", String::as_str)))?;
        }
        _ => {
            // Before the runtime opens anything of its own.
            let inherited = fake_agent::descriptors()?;
            let options = Options { inherited, ..Options::parse(args)? };
            let runtime = Builder::new_current_thread().enable_all().build()?;
            std::process::exit(runtime.block_on(fake_agent::run(options))?);
        }
    }
    Ok(())
}
