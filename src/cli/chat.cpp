// hearth chat: talks; answers each line of stdin when it is not a terminal.
#include <fmt/format.h>
#include <histedit.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/error.h"
#include "base/whole_file.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "engine/chat.h"
#include "hub/store.h"

namespace hearth::cli {

namespace {

constexpr const char* help_text =
    "/help            this list\n"
    "/reset           forget the conversation\n"
    "/system TEXT     set the system message (without TEXT: remove it)\n"
    "/save FILE       write the conversation as JSON (--raw: the text)\n"
    "/speed           tell tokens per second after each answer, or stop telling\n"
    "/quit            leave (or Ctrl-D)\n"
    "Ctrl-C stops an answer, or forgets the line.\n";

// Lines from the terminal, with editing and a history kept between sessions.
class LineEditor {
 public:
  LineEditor() : editor_(el_init("hearth", stdin, stdout, stderr)), history_(history_init()) {
    HistEvent event;
    history(history_, &event, H_SETSIZE, 1000);
    file_ = (hub::home() / "chat_history").string();
    history(history_, &event, H_LOAD, file_.c_str());
    el_set(
        editor_, EL_PROMPT, +[](EditLine*) -> const char* { return "> "; });
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_HIST, ::history, history_);
    el_set(editor_, EL_SIGNAL, 1);
    el_source(editor_, nullptr);
  }
  ~LineEditor() {
    HistEvent event;
    std::error_code ignored;
    std::filesystem::create_directories(hub::home(), ignored);
    history(history_, &event, H_SAVE, file_.c_str());
    history_end(history_);
    el_end(editor_);
  }
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Ctrl-C leaves an empty line.
  bool read(std::string& line) {
    const Interrupt interrupt;
    int count = 0;
    const char* text = el_gets(editor_, &count);
    if (interrupt.asked()) {
      line.clear();
      std::fputc('\n', stdout);
      return true;
    }
    if (!text || count <= 0) return false;
    line.assign(text, std::size_t(count));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    HistEvent event;
    if (!line.empty()) history(history_, &event, H_ENTER, line.c_str());
    return true;
  }

 private:
  EditLine* editor_;
  History* history_;
  std::string file_;
};

struct ChatCommand {
  ModelOptions model;
  GenerationOptions generation;
  std::string system;
  bool speed = false, json = false, raw = false;
  std::vector<Token> written;  // raw: all so far, lines and answers

  void operator()() {
    check_utf8(system, "the system message");
    const auto engine = model.open();
    engine::Chat chat(engine);
    chat.set_system(system);
    chat.set_adapters(generation.adapters(*engine));
    if (isatty(STDIN_FILENO))
      talk(chat);
    else
      answer_lines(chat);
  }

  void answer_lines(engine::Chat& chat) {
    for (std::string line; read_line(std::cin, line);) {
      if (line.find_first_not_of(" \t") == line.npos) continue;
      if (answer(chat, line) == engine::FinishReason::cancelled) throw Error(Code::cancelled, "interrupted");
    }
    if (std::ferror(stdin)) throw Error(Code::io, std::strerror(errno), "stdin");
  }

  void talk(engine::Chat& chat) {
    std::setlocale(LC_CTYPE, "");
    fmt::print(stderr, "{}, {} positions. /help for commands, Ctrl-D to leave.\n", model.model,
               chat.session().context_length());
    LineEditor editor;
    for (std::string line; editor.read(line);) {
      if (line.empty()) continue;
      try {
        if (line[0] == '/') {
          if (!command(chat, line)) return;
        } else {
          answer(chat, line);
        }
      } catch (const Error& error) {
        fmt::print(stderr, "{}\n", error.what());
      }
    }
    fmt::print("\n");
  }

  engine::Answer say(engine::Chat& chat, const std::string& line, engine::Request request, const engine::Sink& sink) {
    if (!raw) return chat.say(line, std::move(request), sink);
    const engine::Engine& engine = chat.session().engine();
    const auto more = engine.tokenizer().encode(line, {.add_special = written.empty(), .goes_on = true});
    std::vector<Token> all = written;
    all.insert(all.end(), more.begin(), more.end());
    request.prompt = all;
    // Where full contexts shift, one goes on with its first tokens and the newer half.
    const std::size_t context = chat.session().context_length(), first = engine.options().sink;
    const std::size_t last = std::max(context / 2, more.size());
    if (engine.options().shift && all.size() >= context && first + last < all.size())
      request.prompt.erase(request.prompt.begin() + std::ptrdiff_t(first), request.prompt.end() - std::ptrdiff_t(last));
    engine::Answer answer = chat.session().generate(std::move(request), sink);
    all.insert(all.end(), answer.tokens.begin(), answer.tokens.end());
    written = std::move(all);
    return answer;
  }

  engine::FinishReason answer(engine::Chat& chat, const std::string& line) {
    check_utf8(line, "the prompt");
    const Interrupt interrupt;
    auto request = generation.request(chat.session().engine());
    request.cancel = interrupt.token();
    const auto result = say(chat, line, std::move(request), [&](const engine::Piece& piece) {
      if (!json) print_piece(piece.text);
      return !interrupt.asked();
    });
    if (json)
      print_json(to_json(result));
    else
      std::fputc('\n', stdout);
    flush_stdout();
    if (result.reason == engine::FinishReason::length)
      fmt::print(stderr, "(cut short: {} tokens)\n", result.usage.generated_tokens);
    if (speed) fmt::print(stderr, "({})\n", speed_line(result));
    return result.reason;
  }

  // False where the conversation is to end.
  bool command(engine::Chat& chat, const std::string& line) {
    const auto space = line.find(' ');
    const std::string word = line.substr(0, space);
    const std::string rest = space == line.npos ? "" : line.substr(space + 1);
    if (word == "/quit" || word == "/exit" || word == "/bye") return false;
    if (word == "/reset") {
      chat.reset();
      written.clear();
    } else if (word == "/system") {
      if (raw) throw Error(Code::usage, "a raw text has no system message");
      check_utf8(rest, "the system message");
      chat.set_system(rest);
    } else if (word == "/speed") {
      speed = !speed;
    } else if (word == "/save") {
      if (rest.empty()) throw Error(Code::usage, "/save needs a file name");
      if (raw) {
        write_file(rest, chat.session().engine().tokenizer().decode(written));
        fmt::print(stderr, "saved {} tokens' text to {}\n", written.size(), rest);
      } else {
        write_file(rest, to_text(chat.messages(), 2) + "\n");
        fmt::print(stderr, "saved {} messages to {}\n", chat.messages().size(), rest);
      }
    } else {
      if (word != "/help") fmt::print(stderr, "no command {}\n", word);
      fmt::print(stderr, "{}", help_text);
    }
    return true;
  }
};

}  // namespace

void add_chat(CLI::App& app) {
  auto* command = app.add_subcommand("chat", "talk with a model");
  auto run = std::make_shared<ChatCommand>();
  run->model.model = "smollm2-135m-instruct";
  run->model.add_to(*command, false);
  run->model.add_rope_to(*command);
  run->model.add_shift_to(*command);
  run->model.add_all_logits_to(*command);
  run->generation.add_to(*command);
  auto* system = command->add_option("--system", run->system, "the system message");
  command->add_flag("--raw", run->raw, "each line goes on with the text so far, without the chat template")
      ->excludes(system);
  command->add_flag("--speed", run->speed, "tell tokens per second after each answer");
  command->add_flag("--json", run->json, "each answer as a line of JSON, as run --json has it");
  command->callback([run] { (*run)(); });
}

}  // namespace hearth::cli
