//! The real Claude Code against scripted models: `make test-clis`.

parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Claude);
parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Claude; a_code_makes_it_ready);
