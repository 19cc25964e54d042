//! The real Codex CLI against scripted models: `make test-clis`.

parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Codex);
parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Codex; a_login_makes_it_ready, a_background_command_is_no_work);
