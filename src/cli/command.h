// The commands of the program, one file each; every add_NAME puts its subcommand on the app.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <istream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace hearth::cli {

void add_bench(CLI::App& app);
void add_chat(CLI::App& app);
void add_embed(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_import(CLI::App& app);
void add_importance(CLI::App& app);
void add_inspect(CLI::App& app);
void add_logits(CLI::App& app);
void add_perplexity(CLI::App& app);
void add_prune(CLI::App& app);
void add_quantize(CLI::App& app);
void add_report(CLI::App& app);
void add_run(CLI::App& app);
void add_template(CLI::App& app);
void add_tokenize(CLI::App& app);

// --threads, as every command that computes has it.
void add_threads(CLI::App& command, std::size_t& threads);
// For options of numbers: more than 0.
CLI::Validator above_zero();

// A file's bytes (base/whole_file.h), "-" for stdin.
std::string read_text(const std::string& path);

// Throws bad_input, and calls the text `what`, where it is no valid UTF-8.
void check_utf8(const std::string& text, const std::string& what);
// Without what ends a line, be it LF or CRLF, where it is there.
void cut_line_end(std::string& text);
// The next line, without its end; false where there is none.
bool read_line(std::istream& in, std::string& line);

// JSON as text (indented where `indent` is not -1); what is no valid UTF-8 in it becomes U+FFFD.
std::string to_text(const nlohmann::ordered_json& document, int indent = -1);
// What was printed is out: throws io where stdout did not take all of it. To be asked after each part of a long result.
void flush_stdout();
// A piece of an answer, at once.
void print_piece(std::string_view text);
// One JSON document on stdout.
void print_json(const nlohmann::ordered_json& document);

}  // namespace hearth::cli
