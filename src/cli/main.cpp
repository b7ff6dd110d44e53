// hearth: the command line. Exit 0 done, 1 it failed, 2 wrong usage.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

#include "base/error.h"
#include "cli/command.h"

namespace {

int fail(const char* line, int code) {
  std::fflush(stdout);
  std::fprintf(stderr, "hearth: error: %s\n", line);
  return code;
}

void parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);  // and does what it says
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw hearth::Error(hearth::Code::usage, error.what(), {}, "see hearth --help");
    app.exit(error);  // --help, --version
  }
}

// --threads is everywhere: scripts may give it without asking which commands have work for them.
void add_threads_everywhere(CLI::App& app) {
  static std::size_t without_use = 0;
  for (CLI::App* command : app.get_subcommands({}))
    if (!command->get_option_no_throw("--threads")) hearth::cli::add_threads(*command, without_use);
}

// CLI11 takes "-1", and what is beyond a type without sign, for its largest number, and an empty text (a variable that
// a script never set) for 0.
void refuse_what_is_no_number(CLI::App& app) {
  const CLI::Validator numbers([](const std::string& text) { return text.empty() ? "an empty text is no number" : ""; },
                               "");
  const CLI::Validator counts(
      [](const std::string& text) {
        errno = 0;
        std::strtoull(text.c_str(), nullptr, 0);
        return text.starts_with('-') ? text + " is less than 0" : errno == ERANGE ? text + " is too large" : "";
      },
      "");
  for (CLI::App* command : app.get_subcommands({}))
    for (CLI::Option* option : command->get_options()) {
      const std::string type = option->get_type_name();
      if (type.starts_with("UINT")) option->check(counts);
      if (type.starts_with("UINT") || type.starts_with("INT") || type.starts_with("FLOAT")) option->check(numbers);
    }
}

// CLI11 gives a repeatable option all words that follow, the prompt too, and takes "[INST]" for a list of values.
void take_one_value_each_time(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({}))
    for (CLI::Option* option : command->get_options()) option->allow_extra_args(false);
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): building the table of commands may only run out of memory
int main(int argc, char** argv) {
  CLI::App app("Language models on your own computer: run, measure, adapt, publish.", "hearth");
  app.set_version_flag("--version", HEARTH_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(36);
  hearth::cli::add_run(app);
  hearth::cli::add_chat(app);
  hearth::cli::add_tokenize(app);
  hearth::cli::add_template(app);
  hearth::cli::add_embed(app);
  hearth::cli::add_logits(app);
  hearth::cli::add_import(app);
  hearth::cli::add_inspect(app);
  hearth::cli::add_perplexity(app);
  hearth::cli::add_evaluate(app);
  hearth::cli::add_bench(app);
  hearth::cli::add_quantize(app);
  hearth::cli::add_importance(app);
  hearth::cli::add_prune(app);
  hearth::cli::add_report(app);
  add_threads_everywhere(app);
  refuse_what_is_no_number(app);
  take_one_value_each_time(app);
  try {
    const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
    if (argc > 1 && argv[1][0] != '-' &&
        std::none_of(commands.begin(), commands.end(), [&](const CLI::App* one) { return one->get_name() == argv[1]; }))
      throw hearth::Error(hearth::Code::usage, std::string("no command '") + argv[1] + "'", {}, "see hearth --help");
    parse(app, argc, argv);
    hearth::cli::flush_stdout();
    return 0;
  } catch (const hearth::Error& error) {
    return fail(error.what(), error.code() == hearth::Code::usage ? 2 : 1);
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(hearth::Error(hearth::Code::io, error.code().message(), error.path1().string()).what(), 1);
  } catch (const std::system_error& error) {  // of fmt::print, which does not say where
    return fail(hearth::Error(hearth::Code::io, error.code().message(), std::ferror(stdout) ? "stdout" : "").what(), 1);
  } catch (const std::bad_alloc&) {
    return fail("not enough memory, close other programs or take a smaller model or --context", 1);
  } catch (const std::exception& error) {
    return fail(error.what(), 1);
  }
}
