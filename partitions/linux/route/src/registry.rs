//! What the drop-in remembers of contexts that reach several TEEs, and of the memory that clients share on them.
//!
//! A context is known by its file descriptor, which stays the same when a client moves the structure. Memory is known
//! by a number that the drop-in writes into the client's structure. `C` stands for a context of the stock library at
//! one TEE, `T` for memory as the stock library registered it with one TEE.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::routes::{Route, Routes};

/// A context that a client made without naming a TEE.
struct Led<C> {
    routes: Routes,
    /// Endpoint of the TEE that the context itself leads to, where it is known and there.
    here: Option<u16>,
    /// Where sessions without a route go, if not to the context itself.
    elsewhere: Option<Route>,
    /// Contexts at other TEEs, by endpoint.
    opened: BTreeMap<u16, C>,
}

/// Where a session goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination<C> {
    /// To the TEE of the client's context.
    Here,
    /// To a TEE that a session of this context went to before.
    Opened(C),
    /// To a TEE that is not open yet.
    Open(Route),
}

/// All contexts and memory of a process.
pub struct Registry<C, T> {
    contexts: BTreeMap<i32, Led<C>>,
    /// Memory by its number: what was registered, by the descriptors of the contexts.
    memories: BTreeMap<usize, BTreeMap<i32, T>>,
    last: usize,
}

impl<C: Copy, T: Copy> Registry<C, T> {
    /// Knows nothing.
    pub const fn new() -> Registry<C, T> {
        Registry {
            contexts: BTreeMap::new(),
            memories: BTreeMap::new(),
            last: 0,
        }
    }

    /// Adds a context that leads to the TEE at endpoint `here`, or, with a route `elsewhere`, to no TEE at all.
    ///
    /// What was known by this descriptor is forgotten: the client closed it without the API.
    pub fn add_context(
        &mut self,
        descriptor: i32,
        routes: Routes,
        here: Option<u16>,
        elsewhere: Option<Route>,
    ) {
        let led = Led {
            routes,
            here,
            elsewhere,
            opened: BTreeMap::new(),
        };
        self.contexts.insert(descriptor, led);
        for copies in self.memories.values_mut() {
            copies.remove(&descriptor);
        }
    }

    /// Whether sessions of this context may go to several TEEs.
    pub fn is_led(&self, descriptor: i32) -> bool {
        self.contexts.contains_key(&descriptor)
    }

    /// Where a session of this context to this trusted application goes.
    pub fn destination(&self, descriptor: i32, application: Uuid) -> Destination<C> {
        let Some(led) = self.contexts.get(&descriptor) else {
            return Destination::Here;
        };
        let route = led.routes.by_application(application).or(led.elsewhere.as_ref());
        match route {
            Some(route) if led.here != Some(route.endpoint) => match led.opened.get(&route.endpoint) {
                Some(context) => Destination::Opened(*context),
                None => Destination::Open(route.clone()),
            },
            _ => Destination::Here,
        }
    }

    /// Adds a context at another TEE. Another thread may have been quicker: the result is the context to use, and the
    /// one to close, if it is not that one. `None` where the client's context is gone: then `context` is to be closed.
    pub fn add_opened(&mut self, descriptor: i32, endpoint: u16, context: C) -> Option<(C, Option<C>)> {
        let led = self.contexts.get_mut(&descriptor)?;
        if let Some(first) = led.opened.get(&endpoint) {
            return Some((*first, Some(context)));
        }
        led.opened.insert(endpoint, context);
        Some((context, None))
    }

    /// Removes a context. Returns the contexts at other TEEs, which are to be closed.
    pub fn remove_context(&mut self, descriptor: i32) -> Vec<C> {
        let led = self.contexts.remove(&descriptor);
        led.map(|led| led.opened.into_values().collect())
            .unwrap_or_default()
    }

    /// Takes away what was registered with the context of this descriptor; it is to be released.
    pub fn remove_copies(&mut self, descriptor: i32) -> Vec<T> {
        let memories = self.memories.values_mut();
        memories.filter_map(|copies| copies.remove(&descriptor)).collect()
    }

    /// Adds memory that no TEE has yet. Returns its number, which is never 0.
    pub fn add_memory(&mut self) -> usize {
        self.last += 1;
        self.memories.insert(self.last, BTreeMap::new());
        self.last
    }

    /// The memory as it was registered with the context of this descriptor.
    pub fn copy(&self, memory: usize, descriptor: i32) -> Option<T> {
        self.memories.get(&memory)?.get(&descriptor).copied()
    }

    /// Adds memory as it was registered with a context. Another thread may have been quicker: the result is the copy to
    /// use, and the one to release. `None` where the memory was released: then `copy` is to be released too.
    pub fn add_copy(&mut self, memory: usize, descriptor: i32, copy: T) -> Option<(T, Option<T>)> {
        let copies = self.memories.get_mut(&memory)?;
        if let Some(first) = copies.get(&descriptor) {
            return Some((*first, Some(copy)));
        }
        copies.insert(descriptor, copy);
        Some((copy, None))
    }

    /// Removes memory. Returns all that was registered of it, which is to be released.
    pub fn remove_memory(&mut self, memory: usize) -> Vec<T> {
        let copies = self.memories.remove(&memory);
        copies
            .map(|copies| copies.into_values().collect())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: Uuid = Uuid::from_u128(0xfd02c9da_306c_48c7_a49c_bbd827ae86ee);
    const OTHER: Uuid = Uuid::from_u128(1);

    fn routes() -> Routes {
        let text = "default='a'\n[[tee]]\nname='a'\nendpoint=0x8001\n[[tee]]\nname='b'\nendpoint=0x8002\n\
                    applications=['fd02c9da-306c-48c7-a49c-bbd827ae86ee']";
        Routes::parse(text).expect("good")
    }

    fn registry() -> Registry<char, u32> {
        let mut registry = Registry::new();
        registry.add_context(3, routes(), Some(0x8001), None);
        registry
    }

    fn open(name: &str) -> Destination<char> {
        Destination::Open(routes().by_name(name).expect("known").clone())
    }

    #[test]
    fn applications_lead_to_their_tee_and_the_rest_stays() {
        let mut registry = registry();
        assert!(registry.is_led(3) && !registry.is_led(4));
        assert_eq!(registry.destination(3, OTHER), Destination::Here);
        assert_eq!(registry.destination(3, TOKENS), open("b"));
        assert_eq!(registry.add_opened(3, 0x8002, 'x'), Some(('x', None)));
        assert_eq!(registry.destination(3, TOKENS), Destination::Opened('x'));
        assert_eq!(registry.destination(4, TOKENS), Destination::Here);
    }

    #[test]
    fn an_application_of_the_context_s_own_tee_stays() {
        let mut registry = registry();
        registry.add_context(5, routes(), Some(0x8002), None);
        assert_eq!(registry.destination(5, TOKENS), Destination::Here);
        // Stock found some device: which TEE's is not known, so the route's own device is opened.
        registry.add_context(6, routes(), None, None);
        assert_eq!(registry.destination(6, TOKENS), open("b"));
        assert_eq!(registry.destination(6, OTHER), Destination::Here);
    }

    #[test]
    fn without_a_tee_here_sessions_ask_for_it_again() {
        let mut registry = registry();
        registry.add_context(5, routes(), None, routes().default_route().cloned());
        assert_eq!(registry.destination(5, OTHER), open("a"));
        assert_eq!(registry.destination(5, TOKENS), open("b"));
    }

    #[test]
    fn the_first_of_two_threads_wins() {
        let mut registry = registry();
        registry.add_opened(3, 0x8002, 'x');
        assert_eq!(registry.add_opened(3, 0x8002, 'y'), Some(('x', Some('y'))));
        let memory = registry.add_memory();
        assert_eq!(registry.add_copy(memory, 3, 10), Some((10, None)));
        assert_eq!(registry.add_copy(memory, 3, 11), Some((10, Some(11))));
        assert_eq!(registry.copy(memory, 3), Some(10));
    }

    #[test]
    fn what_is_gone_takes_nothing_more() {
        let mut registry = registry();
        registry.add_opened(3, 0x8002, 'x');
        assert_eq!(registry.remove_context(3), ['x']);
        assert_eq!(registry.remove_context(3), []);
        assert_eq!(registry.add_opened(3, 0x8002, 'y'), None);
        let memory = registry.add_memory();
        registry.add_copy(memory, 4, 10);
        registry.add_copy(memory, 5, 11);
        assert_eq!(registry.remove_copies(5), [11]);
        assert_eq!(registry.remove_memory(memory), [10]);
        assert_eq!(registry.remove_memory(memory), []);
        assert_eq!(registry.add_copy(memory, 4, 12), None);
        assert_eq!(registry.copy(memory, 4), None);
    }

    #[test]
    fn memories_are_apart() {
        let mut registry = registry();
        let (first, second) = (registry.add_memory(), registry.add_memory());
        assert!(first != 0 && first != second);
        registry.add_copy(first, 3, 1);
        assert_eq!(registry.copy(second, 3), None);
        registry.remove_memory(first);
        assert_ne!(registry.add_memory(), second);
    }

    #[test]
    fn a_descriptor_that_comes_again_is_a_new_context() {
        let mut registry = registry();
        registry.add_opened(3, 0x8002, 'x');
        let memory = registry.add_memory();
        registry.add_copy(memory, 3, 1);
        registry.add_context(3, routes(), Some(0x8001), None);
        assert_eq!(registry.destination(3, TOKENS), open("b"));
        assert_eq!(registry.copy(memory, 3), None);
    }
}
