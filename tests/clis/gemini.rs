//! The real Gemini CLI against scripted models: `make test-clis`.

parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Gemini);
parallax_testkit::real_cli!(parallax_testkit::real_cli::RealCli::Gemini; a_login_makes_it_ready);
parallax_testkit::real_cli!(
    parallax_testkit::real_cli::RealCli::Gemini;
    several_questions_are_answered_in_one_call, a_question_wants_a_text, own_words_are_an_answer,
    a_plan_is_approved, a_background_command_is_no_work, tokens_never_go_down,
);
