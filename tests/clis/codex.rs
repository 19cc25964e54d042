//! The real Codex CLI against scripted models: `make test-clis`.

parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Codex);
parallax_testkit::real_cli!(
    parallax_testkit::real_cli::RealCli::Codex;
    a_login_makes_it_ready, a_background_command_is_no_work, a_message_is_not_typed_into_a_menu,
    tokens_never_go_down,
);
