//! The real Claude Code against scripted models: `make test-clis`.

parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Claude);
parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Claude; a_code_makes_it_ready);
parallax_testkit::real_cli!(
    parallax_testkit::real_cli::RealCli::Claude;
    several_questions_are_answered_in_one_call, questions_are_answered_one_by_one, previews_are_no_labels,
    own_words_are_an_answer, a_plan_is_approved, a_background_command_is_no_work, a_message_is_not_typed_into_a_menu,
    what_is_said_before_a_tool_is_told, a_hook_sends_it_back, tokens_never_go_down, a_server_may_be_started_by_the_cli,
);
