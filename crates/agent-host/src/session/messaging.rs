//! The message side of the session: the queue, the message being delivered, and the turn it started.

use std::time::Instant;

use parallax_api::message::MessageSource;
use parallax_api::{Message, Problem};
use parallax_profile::{Observation, Submit};

use crate::delivery::{Act, Delivery, DeliveryInput};
use crate::images::Images;
use crate::inbox::{Answer, Inbox};
use crate::turn::TurnOutput;

/// Inbox, delivery and turn.
pub(super) struct Messaging {
    /// The id of the conversation, as the CLI calls it.
    pub(super) conversation_id: String,
    /// A prompt was taken, so the CLI has a conversation to resume.
    pub(super) has_conversed: bool,
    inbox: Inbox,
    delivery: Delivery,
    turn: TurnOutput,
    /// The offset of the output that is being interpreted.
    offset: u64,
}

impl Messaging {
    pub(super) fn new(inbox: Inbox, conversation_id: String, has_conversed: bool) -> Self {
        Self {
            conversation_id,
            has_conversed,
            inbox,
            delivery: Delivery::default(),
            turn: TurnOutput::default(),
            offset: 0,
        }
    }

    pub(super) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    pub(super) fn turn(&self) -> &TurnOutput {
        &self.turn
    }

    /// Whether a message is being delivered or its turn runs.
    pub(super) fn is_delivering(&self) -> bool {
        self.delivery.is_busy()
    }

    /// Whether Enter was pressed for the message in hand.
    pub(super) fn is_entered(&self) -> bool {
        self.delivery.is_entered()
    }

    /// Whether Enter was pressed for the message in hand, and nothing shows that it was taken.
    pub(super) fn awaits_proof(&self) -> bool {
        self.delivery.is_entered() && !self.delivery.is_taken()
    }

    /// Whether the message in hand was taken and its turn is not over.
    pub(super) fn is_taken(&self) -> bool {
        self.delivery.is_taken()
    }

    /// The offset at which the next reports of the CLI stand.
    pub(super) fn set_offset(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// A new process: nothing of the last turn counts.
    pub(super) fn restart(&mut self) {
        self.turn = TurnOutput::default();
    }

    /// The CLI took a prompt.
    pub(super) fn prompt_taken(
        &mut self,
        submit: &Submit,
        prompt: Option<&str>,
        reports_prompts: bool,
    ) -> Option<Act> {
        let act = self.delivery.prompt_taken(submit, prompt, reports_prompts);
        self.turn.begin(self.offset);
        act
    }

    /// Enter was pressed for the message: what is printed from `offset` on belongs to its turn.
    pub(super) fn typed(&mut self, offset: u64) {
        self.turn.begin(offset);
    }

    /// The CLI reported an answer.
    pub(super) fn answered(&mut self, text: String, id: Option<String>, source: MessageSource) {
        self.turn.answer(text, id, source);
    }

    /// The agent said something in a turn that goes on: the message to publish, unless it is known.
    pub(super) fn said_meanwhile(&mut self, text: String) -> Option<Message> {
        self.turn.say(&text).then(|| self.inbox.said_meanwhile(self.delivery.entered_id(), text))
    }

    /// The turn is over. Returns the message whose turn it was, if the message came through the inbox.
    pub(super) fn turn_over(&mut self) -> Option<String> {
        self.turn.over(self.offset);
        self.delivery.turn_over()
    }

    /// Takes the answer that the turn reported.
    pub(super) fn take_answer(&mut self) -> Option<Answer> {
        self.turn.take_answer()
    }

    /// The paste of the message in hand ends at this input offset.
    pub(super) fn pasted(&mut self, target: u64, now: Instant) {
        self.delivery.pasted(target, now);
    }

    /// The message in hand cannot be typed.
    pub(super) fn fail_delivery(&mut self, problem: Problem) {
        if let Some((id, _)) = self.delivery.abandon() {
            self.inbox.fail(&id, problem);
        }
    }

    /// The process has ended. A message that was not entered yet is typed again if the process `restarts`.
    pub(super) fn abandon(&mut self, restarts: bool, problem: Problem) {
        match self.delivery.abandon() {
            Some((id, false)) if restarts => self.inbox.put_back(&id),
            Some((id, _)) => self.inbox.fail(&id, problem),
            None => {}
        }
    }

    /// Takes the next message in hand, when there is one.
    pub(super) fn begin_next(&mut self, submit: &Submit, images: &Images, now: Instant) {
        let Some(message) = self.inbox.next() else { return };
        self.turn = TurnOutput::default();
        let files = message.images.iter().zip(1..);
        let files = files.map(|(image, number)| images.path(&message.id, number, image.media_type));
        let inserted = files.filter_map(|file| Some(submit.images.as_ref()?.inserted(&file))).collect();
        let text = submit.guarded(&message.content);
        self.delivery.begin(message.id, text, inserted, now);
    }

    /// Whether the agent would take a message now.
    pub(super) fn would_take(observation: &Observation) -> bool {
        Delivery::would_take(observation)
    }

    pub(super) fn deadline(
        &self,
        submit: &Submit,
        typing_until: Option<Instant>,
        now: Instant,
    ) -> Option<Instant> {
        let waits = typing_until.filter(|_| self.inbox.queued() > 0);
        self.delivery.deadline(submit, now).into_iter().chain(waits).min()
    }

    /// Goes on with the message in hand.
    pub(super) fn step(&mut self, submit: &Submit, input: &DeliveryInput<'_>, now: Instant) -> Vec<Act> {
        self.delivery.step(submit, input, now)
    }
}
