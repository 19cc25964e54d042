//! The real Gemini CLI against scripted models: `make test-clis`.

parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Gemini);
parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Gemini; a_login_makes_it_ready);
