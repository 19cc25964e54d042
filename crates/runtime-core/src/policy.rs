//! What a runtime's operator sets: the most that an agent may have, what it has when its request names nothing, which
//! images it may run, what stands in its environment; and named sets of these, the classes.
//!
//! - [`PolicySection`]: the flags and the configuration file's `[policy]` and `[classes.NAME]`: the [`PolicyArgs`] that every
//!   runtime has, and what a place (containers, pods) has besides.
//! - [`Policy`]: the same, checked. [`Policy::admit`] is what the server does with each request.
//! - [`Places`]: what a place has besides, by class.

mod amounts;
mod images;
mod places;
mod section;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, ensure};
use parallax_api::agent::{CpuQuantity, EnvValue, Resources, is_class};
use parallax_api::runtime::{AgentLimits, ClassInfo};
use parallax_api::{Code, Problem, SpawnRequest};

pub use amounts::{Amount, Amounts};
pub use images::ImagePattern;
pub use places::Places;
pub use section::{NoPlace, PolicyArgs, PolicySection, pairs};

/// The most classes that a runtime has.
const MAX_CLASSES: usize = 64;
/// The variables by which programs find certificates: OpenSSL, Node, Python, curl, git, cargo.
const CA_VARIABLES: [&str; 6] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
];

/// The variables by which programs find a proxy, or that they are to go without one.
const PROXY_VARIABLES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
/// Another one for certificates, which the policy does not set.
const CA_DIRECTORY: &str = "SSL_CERT_DIR";

/// What a backend makes of a policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicyTraits {
    /// The amounts that it can hold an agent to. Others are refused when the policy is read.
    pub holds: &'static [Amount],
    /// What an agent has there without a policy. A maximum below it becomes the default.
    pub builtin: Amounts,
    /// Where agents find the CA bundle; none: where the operator named it.
    pub ca_path: Option<&'static str>,
    /// It fills in cpu, memory and disk itself, because what is asked for is more there than what is allowed: it is set aside.
    pub fills_resources: bool,
}

/// What every agent of a runtime, or every agent of a class, is given and may ask for.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What the class is for.
    pub description: Option<String>,
    /// The most that a request may ask for.
    pub maximum: Amounts,
    /// What an agent has whose request names nothing.
    pub default: Amounts,
    /// The images that a request may name; none: any.
    pub images: Option<Vec<ImagePattern>>,
    /// The images that the policy allows, where a class may only name some of these.
    pub within: Option<Vec<ImagePattern>>,
    /// Variables, under those of the request.
    pub env: BTreeMap<String, EnvValue>,
}

/// The policy of a runtime. Clones share the classes that are applied while it runs.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    traits: PolicyTraits,
    rules: Arc<Rules>,
    /// The class of requests that name none.
    default_class: Option<String>,
    classes: BTreeMap<String, Arc<Rules>>,
    applied: Arc<RwLock<BTreeMap<String, Arc<Rules>>>>,
}

impl Policy {
    /// Checks what the operator wrote. A class has what the policy says where it says nothing itself.
    ///
    /// # Errors
    /// Names what makes no sense, or cannot be held here.
    pub fn new<P: clap::Args>(
        policy: &PolicySection<P>,
        classes: &BTreeMap<String, PolicySection<P>>,
        traits: PolicyTraits,
    ) -> anyhow::Result<Self> {
        ensure!(classes.len() <= MAX_CLASSES, "a runtime has at most {MAX_CLASSES} classes");
        let rules = Arc::new(Rules::new(&policy.rules, &Rules::default(), &traits).context("[policy]")?);
        let mut named = BTreeMap::new();
        for (name, class) in classes {
            ensure!(
                is_class(name),
                "the name of a class has 1 to 63 small letters, digits and dashes, not `{name}`"
            );
            ensure!(class.rules.class.is_none(), "[classes.{name}] cannot name a default class");
            let made = Rules::new(&class.rules, &rules, &traits);
            named.insert(name.clone(), Arc::new(made.with_context(|| format!("[classes.{name}]"))?));
        }
        if let Some(default) = &policy.rules.class {
            ensure!(named.contains_key(default), "the default class `{default}` is none of the classes");
        }
        let default_class = policy.rules.class.clone();
        Ok(Self { traits, rules, default_class, classes: named, applied: Arc::default() })
    }

    /// Whether the operator wrote a class of this name.
    pub fn is_configured(&self, class: &str) -> bool {
        self.classes.contains_key(class)
    }

    /// Checks a class that is to be applied while the runtime runs, beside `others` of these. It is within the policy: no maximum is
    /// above the policy's, its agents may name an image that both allow, and the policy's proxies and certificates stay.
    ///
    /// # Errors
    /// Names what makes no sense, cannot be held here, or is more than the policy has.
    pub fn class<P: clap::Args>(
        &self,
        name: &str,
        section: &PolicySection<P>,
        others: usize,
    ) -> anyhow::Result<Rules> {
        let most = MAX_CLASSES.saturating_sub(self.classes.len());
        ensure!(others < most, "a runtime has at most {MAX_CLASSES} classes");
        ensure!(
            is_class(name),
            "the name of a class has 1 to 63 small letters, digits and dashes, not `{name}`"
        );
        let mut made = Rules::new(&section.rules, &self.rules, &self.traits)?;
        if let Some(amount) =
            made.maximum.named().find(|amount| made.maximum.exceeds(&self.rules.maximum, *amount))
        {
            let (asked, most) = (made.maximum.text(amount), self.rules.maximum.text(amount));
            anyhow::bail!("the maximum of {} is {asked}, and the policy's is {most}", amount.key());
        }
        self.check_env(&section.rules)?;
        made.within.clone_from(&self.rules.images);
        Ok(made)
    }

    /// Refuses variables that would lead past a proxy of the policy, or its certificates. All of a kind: without a proxy for one name, another
    /// one counts.
    fn check_env(&self, class: &PolicyArgs) -> anyhow::Result<()> {
        let is_in = |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        for (what, set, all) in [
            ("proxies", &PROXY_VARIABLES[..], &PROXY_VARIABLES[..]),
            ("certificates", &CA_VARIABLES[..], &[&CA_VARIABLES[..], &[CA_DIRECTORY]].concat()[..]),
        ] {
            if !self.rules.env.keys().any(|name| is_in(set, name)) {
                continue;
            }
            for text in &class.agent_env {
                let (name, _) = crate::args::name_and_value("--agent-env", text)?;
                ensure!(!is_in(all, &name), "`{name}`: the {what} of agents are the policy's to set");
            }
        }
        Ok(())
    }

    /// Takes these classes in place of those that were applied before.
    pub fn apply_classes(&self, classes: BTreeMap<String, Rules>) {
        let classes = classes.into_iter().map(|(name, rules)| (name, Arc::new(rules))).collect();
        *self.applied.write().unwrap_or_else(PoisonError::into_inner) = classes;
    }

    /// Every class; those that the operator wrote win.
    fn all_classes(&self) -> BTreeMap<String, Arc<Rules>> {
        let mut all = self.applied.read().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(self.classes.clone());
        all
    }

    /// The rules of a class, or of agents without one.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, naming the classes that there are.
    pub fn rules(&self, class: Option<&str>) -> Result<Arc<Rules>, Problem> {
        let Some(class) = class else { return Ok(self.rules.clone()) };
        let all = self.all_classes();
        all.get(class).cloned().ok_or_else(|| {
            let known: Vec<&str> = all.keys().map(String::as_str).collect();
            let listed = if known.is_empty() { "this runtime has none".into() } else { known.join(", ") };
            Problem::invalid("class", format!("there is no class `{class}`; the classes: {listed}"))
                .with("classes", known)
        })
    }

    /// The class of a request: the one that it names, or the one of those that name none.
    pub fn class_of<'a>(&'a self, asked: Option<&'a str>) -> Option<&'a str> {
        asked.or(self.default_class.as_deref())
    }

    /// Checks a request, and fills in what it leaves out.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` for an unknown class; `POLICY_DENIED` with `field`, and `maximum` or `allowed`.
    pub fn admit(&self, request: &mut SpawnRequest) -> Result<(), Problem> {
        request.class = self.class_of(request.class.as_deref()).map(str::to_owned);
        let rules = self.rules(request.class.as_deref())?;
        rules.admit_image(request.image.as_deref())?;
        let mut asked = Amounts::of(request)?;
        rules.check(&asked)?;
        let fills = |amount: &Amount| !amount.is_resource() || !self.traits.fills_resources;
        for amount in Amount::ALL.into_iter().filter(fills) {
            if asked.get(amount).is_none() {
                asked.set(amount, rules.default_of(amount, self.traits.builtin.get(amount)));
            }
        }
        asked.write_to(request);
        for (name, value) in &rules.env {
            request.env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Ok(())
    }

    /// The classes, as the API lists them.
    pub fn classes(&self) -> Vec<ClassInfo> {
        let info = |(name, rules): (String, Arc<Rules>)| ClassInfo {
            name,
            description: rules.description.clone(),
            maximum: rules.maximum.shown(),
            default: rules.default.shown(),
        };
        self.all_classes().into_iter().map(info).collect()
    }
}

impl Rules {
    fn new(args: &PolicyArgs, inherited: &Self, traits: &PolicyTraits) -> anyhow::Result<Self> {
        let maximum = Amounts::parse("--max", &args.max)?;
        let default = Amounts::parse("--default", &args.default)?;
        for (amounts, flag) in [(&maximum, "max"), (&default, "default")] {
            if let Some(amount) = amounts.named().find(|amount| !traits.holds.contains(amount)) {
                anyhow::bail!("{flag}: this runtime cannot hold an agent to {}", amount.key());
            }
        }
        let maximum = maximum.or(&inherited.maximum);
        // A class with a smaller maximum than the policy's default has that for its default.
        let default = default.or(&inherited.default.at_most(&maximum));
        if let Some(amount) = default.named().find(|amount| default.exceeds(&maximum, *amount)) {
            anyhow::bail!("the default of {} is more than its maximum", amount.key());
        }
        let images = match args.allow_image.is_empty() {
            true => inherited.images.clone(),
            false => Some(args.allow_image.iter().map(|text| text.parse()).collect::<anyhow::Result<_>>()?),
        };
        let mut env = inherited.env.clone();
        for text in &args.agent_env {
            let (name, value) = crate::args::name_and_value("--agent-env", text)?;
            ensure!(!name.starts_with("PARALLAX_"), "`{name}` is set by the agent's host");
            env.insert(name, value.into());
        }
        for (names, value) in [
            (["HTTP_PROXY", "http_proxy"], &args.http_proxy),
            (["HTTPS_PROXY", "https_proxy"], &args.https_proxy),
            (["NO_PROXY", "no_proxy"], &args.no_proxy),
        ] {
            for name in names {
                env.extend(value.as_ref().map(|value| (name.to_owned(), value.as_str().into())));
            }
        }
        if let Some(bundle) = &args.ca_bundle {
            let path = traits.ca_path.unwrap_or(bundle);
            env.extend(CA_VARIABLES.map(|name| (name.to_owned(), EnvValue::from(path))));
        }
        let description = args.description.clone();
        Ok(Self { description, maximum, default, images, within: None, env })
    }

    /// Refuses what is over a maximum.
    ///
    /// # Errors
    /// `POLICY_DENIED` with `field`, `asked` and `maximum`.
    pub fn check(&self, asked: &Amounts) -> Result<(), Problem> {
        let Some(amount) = asked.named().find(|amount| asked.exceeds(&self.maximum, *amount)) else {
            return Ok(());
        };
        let (wanted, most) = (asked.text(amount), self.maximum.text(amount));
        let field = amount.field();
        Err(Problem::new(
            Code::PolicyDenied,
            format!("`{field}` is {wanted}, and at most {most} is allowed here; ask for that or less"),
        )
        .with("field", field)
        .with("asked", wanted)
        .with("maximum", most))
    }

    /// What an agent has whose request names nothing, where without a policy it has `builtin`.
    pub fn default_of(&self, amount: Amount, builtin: Option<u64>) -> Option<u64> {
        let most = self.maximum.get(amount).filter(|most| builtin.is_none_or(|builtin| *most < builtin));
        self.default.get(amount).or(most)
    }

    fn admit_image(&self, image: Option<&str>) -> Result<(), Problem> {
        let Some(image) = image else { return Ok(()) };
        let refuses = |allowed: &&Vec<ImagePattern>| !allowed.iter().any(|pattern| pattern.matches(image));
        let Some(allowed) = self.images.iter().chain(&self.within).find(refuses) else { return Ok(()) };
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let detail = format!("the image `{image}` is not allowed here, only {}", allowed.join(", "));
        Err(Problem::new(Code::PolicyDenied, detail).with("field", "image").with("allowed", allowed))
    }
}

impl Amounts {
    /// What a request asks for.
    fn of(request: &SpawnRequest) -> Result<Self, Problem> {
        let none = Resources::default();
        let resources = request.resources.as_ref().unwrap_or(&none);
        let mut asked = Self::default();
        asked.set(Amount::Cpu, resources.nano_cpus()?);
        asked.set(Amount::Memory, resources.memory_bytes()?);
        asked.set(Amount::Disk, resources.disk_bytes()?);
        asked.set(Amount::Pids, resources.pids.map(Into::into));
        asked.set(Amount::Lifetime, request.max_lifetime_seconds);
        asked.set(Amount::Idle, request.idle_timeout_seconds);
        Ok(asked)
    }

    /// Puts into a request what it leaves out.
    fn write_to(self, request: &mut SpawnRequest) {
        let mut resources = request.resources.take().unwrap_or_default();
        let text = |amount| self.get(amount).map(|_| self.text(amount));
        resources.cpu = resources.cpu.or_else(|| text(Amount::Cpu).map(CpuQuantity::Text));
        resources.memory = resources.memory.or_else(|| text(Amount::Memory));
        resources.disk = resources.disk.or_else(|| text(Amount::Disk));
        let pids = self.get(Amount::Pids).and_then(|pids| u32::try_from(pids).ok());
        resources.pids = resources.pids.or(pids);
        request.resources = (resources != Resources::default()).then_some(resources);
        request.max_lifetime_seconds = request.max_lifetime_seconds.or(self.get(Amount::Lifetime));
        request.idle_timeout_seconds = request.idle_timeout_seconds.or(self.get(Amount::Idle));
    }

    fn shown(&self) -> AgentLimits {
        let text = |amount| self.get(amount).map(|_| self.text(amount));
        AgentLimits {
            cpu: text(Amount::Cpu),
            memory: text(Amount::Memory),
            disk: text(Amount::Disk),
            pids: self.get(Amount::Pids).and_then(|pids| u32::try_from(pids).ok()),
            max_lifetime_seconds: self.get(Amount::Lifetime),
            idle_timeout_seconds: self.get(Amount::Idle),
        }
    }
}

#[cfg(test)]
mod tests;
