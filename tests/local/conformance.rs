//! The conformance suite over local processes.

parallax_testkit::conformance!(parallax_testkit::local::LocalBackend);
