#include "report/measure.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <set>
#include <sstream>

#include "base/atomic_file.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/scratch_file.h"
#include "base/whole_file.h"
#include "compress/mixture.h"
#include "compress/quantize.h"
#include "evaluate/evaluation.h"
#include "evaluate/journal.h"
#include "evaluate/perplexity.h"
#include "kernels/kernels.h"
#include "report/pages.h"
#include "report/process.h"

namespace hearth::report {

namespace fs = std::filesystem;

namespace {

std::uint64_t memory_line(std::string_view key) {  // of /proc/meminfo, in bytes
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;)
    if (std::uint64_t kilobytes = 0; word == key && file >> kilobytes) return 1024 * kilobytes;
  return 0;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  char text[16];
  std::tm parts{};
  std::strftime(text, sizeof text, "%Y-%m-%d", gmtime_r(&now, &parts));
  return text;
}

// "q4_0:feedback", or a file that is there already.
struct Recipe {
  std::string name;
  fs::path made;
  std::string type;
  compress::Method method = compress::Method::nearest;

  Recipe() = default;
  explicit Recipe(const std::string& text) {
    if (text.ends_with(".gguf")) {
      made = text;
      name = made.stem().string();
      return;
    }
    name = text;
    const auto colon = text.find(':');
    type = compress::name(compress::find_mixture(text.substr(0, colon)));
    if (colon != text.npos) method = compress::find_method(text.substr(colon + 1));
  }
};

class Maker {
 public:
  Maker(const Options& options, const std::function<bool(const std::string&)>& progress)
      : options_(options), progress_(progress) {}

  Written make() {
    auto methods = options_.methods;
    if (methods.empty()) methods = default_methods(!options_.calibration.empty() || !options_.importance.empty());
    std::set<std::string> names{"original"};
    for (const std::string& method : methods) {
      check(method);
      if (const std::string name = Recipe(method).name; !names.insert(name).second)
        throw Error(Code::usage, fmt::format("two rows would be called '{}'", name), "--methods " + method,
                    "give each method once, and every file a name of its own");
    }
    for (const fs::path& profile : options_.profiles) others_.push_back(read_profile(profile));
    if (!options_.text.empty()) text_ = read_file(options_.text);
    const gguf::File file = gguf::File::open(options_.model);
    if (model::Model::open(options_.model)->is_encoder())
      throw Error(Code::unsupported, "an encoder generates nothing", options_.model.string());
    open_folder(methods);

    describe(file);
    const auto earlier = earlier_entries();
    Recipe original;
    original.name = "original";
    original.made = options_.model;
    measure(original, earlier);
    for (const std::string& method : methods) measure(Recipe(method), earlier);
    write_pages();
    return std::move(written_);
  }

 private:
  void measure(const Recipe& recipe, const std::vector<Entry>& earlier) {
    const std::uint64_t made = recipe.made.empty() ? 0 : gguf::File::open(recipe.made).bytes();
    const auto at = std::find_if(earlier.begin(), earlier.end(), [&](const Entry& entry) {
      return entry.method == recipe.name && (made == 0 || entry.bytes == made);
    });
    written_.report.entries.push_back(at != earlier.end() ? *at : entry(recipe));
    write_file(options_.out / "report.json", to_json(written_.report).dump(2) + "\n");
  }

  void tell(const std::string& what) {
    if (progress_ && !progress_(what)) throw Error(Code::cancelled, "interrupted");
  }

  fs::path kept_path(const Recipe& recipe) const {
    std::string name = fmt::format("{}-{}.gguf", options_.model.stem().string(), recipe.name);
    std::replace(name.begin(), name.end(), ':', '-');
    return options_.out / name;
  }

  // Whether it can be written, and takes the place of nothing that is read, is known before hours of work.
  void open_folder(const std::vector<std::string>& methods) const {
    std::error_code error;
    fs::create_directories(options_.out, error);
    if (error && !fs::is_directory(options_.out))
      throw Error(Code::io, fmt::format("the folder cannot be made: {}", error.message()), options_.out.string());
    std::vector<fs::path> read = gguf::File::open(options_.model).paths(),
                          written{options_.out / "report.json", options_.out / "report.md",
                                  options_.out / "index.html"};
    for (const fs::path& path : {options_.text, options_.calibration, options_.importance}) read.push_back(path);
    read.insert(read.end(), options_.profiles.begin(), options_.profiles.end());
    for (const std::string& method : methods) {
      const Recipe recipe(method);
      if (!recipe.made.empty())
        read.push_back(recipe.made);
      else if (options_.keep)
        written.push_back(kept_path(recipe));
    }
    for (const fs::path& path : written) check_writable(path, read);
  }

  void check(const std::string& method) const {
    const Recipe recipe(method);
    if (!recipe.made.empty() && gguf::File::open(recipe.made).metadata().string("general.architecture", "") !=
                                    gguf::File::open(options_.model).metadata().string("general.architecture", ""))
      throw Error(Code::bad_input, "not made from the model that the report is about", method);
    const bool calibrated = !options_.calibration.empty();
    if ((recipe.method == compress::Method::feedback || recipe.method == compress::Method::selection) && !calibrated)
      throw Error(Code::usage, fmt::format("{} needs a text to calibrate on", method), {}, "give --calibration FILE");
    if (recipe.method == compress::Method::importance && !calibrated && options_.importance.empty())
      throw Error(Code::usage, fmt::format("{} needs to know what matters", method), {},
                  "give --calibration FILE or --importance FILE");
    if (calibrated && fs::exists(options_.text) && fs::exists(options_.calibration) &&
        fs::equivalent(options_.text, options_.calibration))
      throw Error(Code::usage, "calibration and measured text are the same", options_.text.string(),
                  "take another text");
  }

  static Report read_profile(const fs::path& path) {
    const Json document = Json::parse(read_file(path), nullptr, false);
    if (document.is_discarded()) throw Error(Code::bad_input, "not JSON", path.string());
    return from_json(document, path.string());
  }

  void describe(const gguf::File& file) {
    Report& report = written_.report;
    report.model = options_.model.stem().string();
    report.machine = {.cpu = cpu_name(),
                      .kernels = kernels::active().name,
                      .threads = options_.threads ? options_.threads : physical_cores(),
                      .memory = memory_line("MemTotal:"),
                      .memory_free = memory_line("MemAvailable:"),
                      .date = today()};
    if (!text_.empty())
      report.text_note = fmt::format("{}, {} chunks of {} tokens", options_.text.filename().string(),
                                     options_.chunks ? std::to_string(options_.chunks) : "all", options_.context);
    if (!options_.data.empty())
      report.task_note = options_.limit ? fmt::format("the first {} rows of each", options_.limit) : "all rows";
    const std::string family = file.metadata().string("general.architecture", "");
    context_length_ = file.metadata().integer(family + ".context_length", context_length_);
    std::uint64_t mark = evaluate::fingerprint(text_);
    for (const gguf::Tensor& tensor : file.tensors()) {
      const auto sample = tensor.data.first(std::min<std::size_t>(tensor.data.size(), 512));
      mark = evaluate::fingerprint({reinterpret_cast<const char*>(sample.data()), sample.size()}, mark);
      weights_ += tensor.elements();
    }
    for (const fs::path& path : {options_.calibration, options_.importance})
      mark = evaluate::fingerprint(path.empty() ? "" : read_file(path), mark);
    report.subject = fmt::format("{:016x} chunks {} of {} data {} tasks {} limit {} threads {}", mark, options_.chunks,
                                 options_.context, options_.data.string(), fmt::join(options_.tasks, ","),
                                 options_.limit, report.machine.threads);
  }

  // What an earlier run into the same folder measured of the same.
  std::vector<Entry> earlier_entries() const {
    const fs::path path = options_.out / "report.json";
    if (!fs::exists(path)) return {};
    try {
      Report earlier = read_profile(path);
      if (earlier.subject == written_.report.subject) return earlier.entries;
    } catch (const Error&) {  // not ours: it is written anew
    }
    return {};
  }

  Entry entry(const Recipe& recipe) {
    const std::string& method = recipe.name;
    Entry entry;
    entry.method = method;
    fs::path file = recipe.made;
    const ScratchFile scratch(options_.out / fmt::format(".hearth-report-{}", ::getpid()));  // nobody's model
    if (recipe.made.empty()) {
      tell(method + ": compressing");
      file = options_.keep ? kept_path(recipe) : scratch.path();
      compress::QuantizeOptions how;
      how.type = recipe.type;
      how.method = recipe.method;
      how.importance = recipe.method == compress::Method::importance ? options_.importance : fs::path();
      how.calibration = recipe.method == compress::Method::nearest ? fs::path() : options_.calibration;
      how.threads = options_.threads;
      const auto done = compress::quantize(options_.model, file, how, [&](std::string_view, std::size_t, std::size_t) {
        return !progress_ || progress_(method + ": compressing");
      });
      entry.compress_seconds = done.seconds;
    }
    entry.bytes = gguf::File::open(file).bytes();
    entry.bits_per_weight = 8 * double(entry.bytes) / double(weights_);
    measure_speed(entry, file);
    measure_quality(entry, file);
    return entry;
  }

  // In a process of its own: nothing that this one holds counts.
  void measure_speed(Entry& entry, const fs::path& file) {
    tell(entry.method + ": speed");
    const std::size_t generated = std::min<std::size_t>(64, context_length_ / 4),
                      prompt = std::min<std::size_t>(512, context_length_ - generated);
    const auto finished = run({options_.program.string(), "bench", file.string(), "-p", std::to_string(prompt), "-n",
                               std::to_string(generated), "--repeat", "3", "--threads",
                               std::to_string(written_.report.machine.threads), "--json"});
    tell(entry.method + ": speed");  // Ctrl-C ended that process too
    if (!finished) throw Error(Code::not_found, "no such program", options_.program.string());
    const Error failed(Code::internal, "the speed measurement failed", file.string(), finished->out);
    if (finished->status != 0) throw failed;
    try {  // the last brace that begins a line: what was told on stderr stands before and behind
      std::istringstream text(finished->out.substr(finished->out.rfind("\n{") + 1));
      Json document;
      text >> document;
      entry.prompt_speed = document.at("results").at(0).at("tokens_per_second");
      entry.generation_speed = document.at("results").at(1).at("tokens_per_second");
      entry.peak_memory = document.at("peak_memory_bytes");
    } catch (const Json::exception&) {
      throw failed;
    }
  }

  void measure_quality(Entry& entry, const fs::path& file) {
    const auto open = [&](const fs::path& path) {
      return engine::Engine::open(path, {.threads = written_.report.machine.threads});
    };
    const auto engine = open(file);
    if (!text_.empty()) {
      tell(entry.method + ": perplexity");
      const bool original = entry.method == "original";
      if (!original && !original_) original_ = open(options_.model);
      if (tokens_.empty()) tokens_ = engine->tokenizer().encode(text_);
      const auto result = evaluate::perplexity(
          *engine, tokens_, {.context = options_.context, .chunks = options_.chunks},
          original ? nullptr : original_.get(), [&](std::size_t done, std::size_t of, const evaluate::Perplexity&) {
            tell(fmt::format("{}: perplexity {}/{}", entry.method, done, of));
            return true;
          });
      entry.perplexity = Figure{result.value, result.error};
      if (result.against) {
        entry.divergence = Figure{result.against->mean, result.against->error};
        entry.agreement = Figure{result.against->top_agreement, result.against->top_agreement_error};
      }
    }
    if (options_.data.empty()) return;
    const auto result = evaluate::evaluate(*engine, evaluate::builtin_tasks(),
                                           {.data = options_.data, .tasks = options_.tasks, .limit = options_.limit},
                                           [&](const std::string& task, std::size_t done, std::size_t of) {
                                             tell(fmt::format("{}: {} {}/{}", entry.method, task, done, of));
                                             return true;
                                           });
    for (const evaluate::TaskResult& task : result.tasks) {
      TaskFigure figure{
          task.name, task.reports_acc_norm ? "acc_norm" : "acc", {task.main().value(), task.main().error()}, {}};
      for (const evaluate::Item& item : task.items)
        figure.right += (task.reports_acc_norm ? item.acc_norm : item.acc) ? '1' : '0';
      entry.tasks.push_back(std::move(figure));
    }
    entry.average = Figure{result.average(), result.average_error()};
  }

  void write_pages() {
    const Report& report = written_.report;
    for (const Picture& picture : pictures(report, others_)) {
      const fs::path svg = options_.out / (picture.name + ".svg"), png = options_.out / (picture.name + ".png");
      write_file(svg, picture.svg);
      const auto finished = run({"rsvg-convert", "--zoom", "2", "--output", png.string(), svg.string()});
      written_.png = written_.png && finished && finished->status == 0;
    }
    write_file(options_.out / "report.md", markdown(report, others_));
    write_file(options_.out / "index.html", html(report, others_));
  }

  const Options& options_;
  const std::function<bool(const std::string&)>& progress_;
  Written written_;
  std::vector<Report> others_;
  std::string text_;
  std::vector<Token> tokens_;
  std::uint64_t weights_ = 0, context_length_ = 2048;
  std::shared_ptr<engine::Engine> original_;
};

}  // namespace

std::vector<std::string> default_methods(bool calibrated) {
  if (!calibrated) return {"q8_0", "q6_k", "q5_k_m", "q4_k_m", "iq4_nl", "q4_0", "q3_k_m", "q2_k"};
  return {"q8_0",
          "q6_k",
          "q5_k_m:importance",
          "q4_k_m",
          "q4_k_m:importance",
          "q4_0",
          "q4_0:importance",
          "iq4_xs:importance",
          "q3_k_m:importance",
          "q2_k:importance"};
}

Written make_report(const Options& options, const std::function<bool(const std::string&)>& progress) {
  return Maker(options, progress).make();
}

}  // namespace hearth::report
