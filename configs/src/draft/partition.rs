//! One `[[partition]]` as it was written.

use super::{
    Action, Caller, Client, Delivery, Failure, Image, Message, Power, Preemption, Quiesce, Region, Tee,
};
use crate::source::{At, Span};

/// One `[[partition]]`.
#[derive(Debug)]
pub struct Partition {
    /// Where it starts.
    pub span: Span,
    /// `name`
    pub name: Option<At<String>>,
    /// `id`
    pub id: Option<At<u64>>,
    /// `tee`
    pub tee: Option<At<Tee>>,
    /// `image`
    pub image: Option<Image>,
    /// `uuid`
    pub uuid: Option<At<[u8; 16]>>,
    /// `uuids`, and where they stand.
    pub uuids: Option<At<Vec<At<[u8; 16]>>>>,
    /// `memory`, and where it stands; `None` if it is missing.
    pub memory_span: Option<Span>,
    /// `memory`
    pub memory: Vec<Region>,
    /// `cores`; `None` if that is ill-formed.
    pub cores: Option<Cores>,
    /// Where `cores` is, or the partition's start.
    pub cores_span: Span,
    /// `contexts`
    pub contexts: Option<At<u64>>,
    /// `window` in bytes
    pub window: Option<At<u64>>,
    /// `shares`
    pub shares: Option<At<u64>>,
    /// `quotas`
    pub quotas: Quotas,
    /// `preemption`
    pub preemption: Option<Preemption>,
    /// `budget` in microseconds
    pub budget: Option<At<u64>>,
    /// `callers`
    pub callers: Option<Vec<Caller>>,
    /// `receives`, and where that stands.
    pub receives: Option<At<Vec<At<Message>>>>,
    /// `power-messages`, and where they stand.
    pub power: Option<At<Vec<At<Power>>>>,
    /// `notifies`
    pub notifies: Vec<At<String>>,
    /// `s-interrupts-action`
    pub action: Option<At<Action>>,
    /// `interrupt-interface`
    pub delivery: Option<At<Delivery>>,
    /// `boot-order`
    pub boot_order: Option<At<u64>>,
    /// `devices`
    pub devices: Vec<At<String>>,
    /// `interrupts`
    pub interrupts: Vec<At<String>>,
    /// `quiesce`
    pub quiesce: Vec<Quiesce>,
    /// `on-failure`
    pub on_failure: Option<OnFailure>,
    /// `key`
    pub key: Option<At<bool>>,
    /// `inspects`
    pub inspects: Option<At<bool>>,
    /// `quotes`
    pub quotes: Option<At<bool>>,
    /// `copies`
    pub copies: Option<At<bool>>,
    /// `client`
    pub client: Option<Client>,
}

impl Partition {
    /// The place that stands for the partition in messages: its name, or its start.
    #[must_use]
    pub fn place(&self) -> &Span {
        self.name.as_ref().map_or(&self.span, |name| &name.span)
    }

    /// The name in messages.
    #[must_use]
    pub fn title(&self) -> String {
        self.name.as_ref().map_or_else(
            || "a partition".to_owned(),
            |name| format!("partition `{}`", name.value),
        )
    }

    /// Whether it has this name.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|own| own.value == name)
    }

    /// Whether this is the kind of TEE.
    #[must_use]
    pub fn is(&self, tee: Tee) -> bool {
        self.tee.as_ref().is_some_and(|own| own.value == tee)
    }

    /// Whether the image is built here by this recipe.
    #[must_use]
    pub fn builds(&self, tee: Tee) -> bool {
        let build = self.image.as_ref().and_then(|image| image.build.as_ref());
        build.is_some_and(|build| build.value == tee)
    }

    /// The cores that it has for itself.
    #[must_use]
    pub fn dedicated(&self) -> &[At<String>] {
        match &self.cores {
            Some(Cores::Dedicated(cores)) => cores,
            _ => &[],
        }
    }
}

/// `cores`
#[derive(Debug)]
pub enum Cores {
    /// All that the normal world has.
    All,
    /// A list, and whether calls from other cores are forwarded.
    Called {
        /// The cores.
        cores: Vec<At<String>>,
        /// `forward`
        forward: Option<At<bool>>,
    },
    /// Cores of its own.
    Dedicated(Vec<At<String>>),
}

/// `quotas`
#[derive(Debug, Default)]
pub struct Quotas {
    /// Ranges of addresses.
    pub ranges: Option<At<u64>>,
    /// Bytes of log in a second.
    pub log: Option<At<u64>>,
}

/// `on-failure`
#[derive(Debug)]
pub enum OnFailure {
    /// `"stop"` or `"halt"`
    Word(At<Failure>),
    /// `{ restart, back-off, within, with-normal-world, repeats, rebind }`
    Restart {
        /// Where it stands.
        span: Span,
        /// How often.
        limit: Option<At<u64>>,
        /// Microseconds before the first one.
        back_off: Option<At<u64>>,
        /// Microseconds within which failures are counted together.
        within: Option<At<u64>>,
        /// Whether it starts anew with the normal world.
        with_normal_world: Option<At<bool>>,
        /// How the request begins that its next instance is given again.
        repeats: Option<At<u64>>,
        /// Whether Linux binds its driver anew.
        rebind: Option<At<bool>>,
    },
}
