//! One run from its start to its end: a person who answers in his own time, and a server that dies now and then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use parallax_api::execution::{Execution, ExecutionAnswer, ExecutionEventData as Data, ExecutionStatus};
use parallax_api::{AgentId, Problem, Time};
use parallax_patterns::pattern::Pattern;
use parallax_patterns::run::{Journal, Run, RunEvent, RunParams};
use tokio::time::Instant;

use crate::world::{FOR_EVER, Faults, Rng, Sim, World};

/// A run that has ended.
pub struct Outcome {
    pub execution: Execution,
    pub events: Vec<RunEvent>,
    pub world: World,
    /// Managed agents that are left.
    pub left: Vec<AgentId>,
}

/// A journal in memory.
#[derive(Default)]
struct Memory(Mutex<Vec<RunEvent>>);

#[async_trait]
impl Journal for Memory {
    async fn append(&self, events: Vec<RunEvent>) -> Result<(), Problem> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut kept = self.0.lock().unwrap();
        for event in events {
            assert_eq!(event.seq, kept.len() as u64 + 1, "numbered without a gap");
            kept.push(event);
        }
        Ok(())
    }
}

/// Runs a pattern to its end, with a person who answers in his own time and a server that dies now and then.
pub fn run(pattern: Pattern, seed: u64, faults: Faults) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(simulate(pattern, seed, faults))
}

async fn simulate(pattern: Pattern, seed: u64, faults: Faults) -> Outcome {
    let began = Instant::now();
    let mut dice = Rng::new(seed ^ 0x5eed);
    let mut world = World::default();
    for (name, role) in &pattern.structure.roles {
        world.most.insert(name.clone(), role.most());
    }
    for number in 0..dice.below(3) {
        world.add_outside(number);
    }
    let asking = [0, 10, 30][dice.pick(3)];
    let sim = Arc::new(Sim::new(world, seed, faults, asking));
    let journal = Arc::new(Memory::default());
    let started = Data::ExecutionStarted { pattern: "random".into(), input: BTreeMap::new(), workdir: None };
    let first = RunEvent { seq: 1, data: started, timestamp: Time::from_millis(0) };
    journal.0.lock().unwrap().push(first);
    let mut crashes = faults.crashes;
    let answers = dice.chance(90);
    let mut crashed = false;
    loop {
        let now = Time::from_millis(i64::try_from(began.elapsed().as_millis()).unwrap());
        let history = journal.0.lock().unwrap().clone();
        let run = Run::new(RunParams {
            id: "run".into(),
            pattern: pattern.clone(),
            agents: sim.clone(),
            journal: journal.clone(),
            history,
            crashed,
            now,
        });
        let after = if crashes > 0 { Duration::from_millis(dice.below(200_000)) } else { FOR_EVER };
        let in_a_stop = crashes > 0 && dice.chance(50);
        let dies = async {
            tokio::select! {
                () = tokio::time::sleep(after) => {}
                () = sim.stopping(), if in_a_stop => {}
            }
        };
        tokio::select! {
            ended = run.execute() => {
                let execution = ended.unwrap();
                if execution.status != ExecutionStatus::Running {
                    let world = std::mem::take(&mut *sim.world());
                    let events = journal.0.lock().unwrap().clone();
                    let left = world.alive();
                    return Outcome { execution, events, world, left };
                }
            }
            () = person(&run, &mut dice, answers) => {}
            () = dies => {
                crashed = true;
                crashes = crashes.checked_sub(1).unwrap_or_else(|| {
                    panic!("the run does not end: {:#?}\n{:#?}", run.view(), journal.0.lock().unwrap())
                });
            }
        }
    }
}

/// Answers what waits for a person, one thing at a time; now and then cancels.
async fn person(run: &Run, dice: &mut Rng, answers: bool) {
    loop {
        tokio::time::sleep(Duration::from_secs(dice.below(600))).await;
        if dice.chance(1) {
            drop(run.cancel().await);
        }
        let open = run.view().questions;
        let Some(question) = open.iter().find(|question| question.for_user).filter(|_| answers) else {
            continue;
        };
        let options = &question.question.options;
        let option = (!options.is_empty()).then(|| options[dice.pick(options.len())].id.clone());
        let text = option.is_none().then(|| "as you like".to_owned());
        let answer = ExecutionAnswer { question_id: Some(question.question.id.clone()), option, text };
        // It may have been answered or withdrawn meanwhile.
        drop(run.answer(answer).await);
    }
}
