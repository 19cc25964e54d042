//! The warm pool: pods whose hosts wait for a launch, so that an agent starts without the scheduler and the kubelet.
//!
//! A waiting pod is an agent's in everything but the launch, of which nothing is in it: no Secret, no name, no variable of a request.
//! Claimed, it gets the labels, the annotation and the owner that an agent's pod has, over the version that was read, so that of two
//! servers one gets it; then the launch goes to its host by HTTP, behind the token that only this host takes. It is the agent's for
//! good: none is used twice.
//!
//! The pool has no memory: which pods wait is what their labels say. A pod belongs to the pod of the server that made it, where there is
//! one in the namespace, and its host ends by itself when no server asks for it any more.
//!
//! `slots`: for which agents pods wait. `filling` makes and removes them, `claim` gives one to an agent.

pub(crate) mod claim;
pub(crate) mod filling;
pub(crate) mod slots;
