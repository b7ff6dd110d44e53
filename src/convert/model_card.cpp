#include "convert/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>
#include <span>

#include "base/mapped_file.h"
#include "base/utf8.h"
#include "convert/lines.h"

namespace hearth::convert {

namespace {

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// A scalar without its quotes and comment.
std::string scalar(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.find(text.front(), 1) != text.npos)
    return std::string(text.substr(1, text.find(text.front(), 1) - 1));
  if (const auto comment = text.find(" #"); comment != text.npos) text = trim(text.substr(0, comment));
  return std::string(text == "null" || text == "~" ? std::string_view() : text);
}

// "[a, 'b, c', d]", with nothing but a comment behind.
std::optional<std::vector<std::string>> inline_list(std::string_view text) {
  if (!text.starts_with('[')) return std::nullopt;
  std::vector<std::string> items;
  std::size_t begin = 1;
  char quote = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if ((c == '"' || c == '\'') && trim(text.substr(begin, i - begin)).empty()) {
      quote = c;
    } else if (c == ',' || c == ']') {
      if (std::string item = scalar(text.substr(begin, i - begin)); !item.empty()) items.push_back(std::move(item));
      begin = i + 1;
      if (c == ',') continue;
      const std::string_view behind = trim(text.substr(begin));
      return behind.empty() || behind.starts_with('#') ? std::optional(std::move(items)) : std::nullopt;
    }
  }
  return std::nullopt;
}

bool begins_a_key(std::string_view line) {
  return !line.starts_with(' ') && !line.starts_with('\t') && (line.find(':') != line.npos || trim(line) == "---");
}

// A list that begins in the line `last`, with those below up to one that closes it or is a key again: `last` is then
// the last of them.
std::string with_lines_below(std::string list, std::span<const std::string_view> lines, std::size_t& last) {
  bool closed = !list.starts_with('[') || list.find(']') != list.npos;
  while (!closed && last + 1 < lines.size() && !begins_a_key(lines[last + 1])) {
    list.append(" ").append(trim(lines[++last]));
    closed = lines[last].find(']') != lines[last].npos;
  }
  return list;
}

// "smollm2-135m-instruct" as "Smollm2 135m Instruct": words that are all small get a capital; versions and sizes stay.
std::string title(std::string_view name) {
  std::string result;
  bool begins = true;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i] == '-' ? ' ' : name[i];
    if (c == ' ') {
      begins = true;
      if (!result.empty() && result.back() != ' ') result += ' ';
      continue;
    }
    const std::string_view word = name.substr(i, name.find_first_of("- ", i) - i);
    const bool small = std::none_of(word.begin(), word.end(), [](unsigned char l) { return std::isupper(l) != 0; });
    result += begins && small && !(c == 'v' && word.size() > 1 && std::isdigit(static_cast<unsigned char>(word[1])))
                  ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
                  : c;
    begins = false;
  }
  while (result.ends_with(' ')) result.pop_back();
  return result;
}

struct Name {
  std::string organization, name;
};

// "ORG/NAME"; anything that looks like a path on a disk is none.
Name split_id(std::string_view id) {
  const auto slash = id.find('/');
  if (id.empty() || id.front() == '.' || id.front() == '/' || id.find('/', slash + 1) != id.npos) return {};
  if (slash == id.npos) return {{}, std::string(id)};
  return {std::string(id.substr(0, slash)), std::string(id.substr(slash + 1))};
}

bool is_hash(std::string_view name) {
  return name.size() >= 32 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// By the folder: its name, or that of the download cache it lies in (models--ORG--NAME/snapshots/HASH); else by what
// the config was loaded from.
Name name_of(const std::filesystem::path& folder, const JsonObject& config) {
  const auto path = std::filesystem::absolute(folder).lexically_normal();
  for (const auto& part : path) {
    const std::string text = part.string();
    const auto split = text.find("--", 8);
    if (text.starts_with("models--") && split != text.npos) return {text.substr(8, split - 8), text.substr(split + 2)};
  }
  const std::string own = (path.filename().empty() ? path.parent_path() : path).filename().string();
  Name loaded = split_id(config.string("_name_or_path", ""));
  if (own.empty() || is_hash(own)) return loaded;
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  };
  const bool agree = std::equal(own.begin(), own.end(), loaded.name.begin(), loaded.name.end(), same);
  return {agree ? loaded.organization : std::string(), own};
}

class Writer {
 public:
  Writer(const Card& card, gguf::Metadata& metadata) : card_(card), metadata_(metadata) {}

  void text(std::string_view key, std::string_view value) {
    if (!value.empty() && is_utf8(value)) metadata_.set("general." + std::string(key), {std::string(value)});
  }
  const std::vector<std::string>& list(std::string_view key) const {
    static const std::vector<std::string> none;
    const auto found = card_.find(key);
    return found == card_.end() ? none : found->second;
  }
  std::string first(std::string_view key) const { return list(key).empty() ? std::string() : list(key)[0]; }
  void texts(std::string_view key, std::initializer_list<std::string_view> from) {
    std::vector<std::string> all;
    for (const std::string_view name : from)
      for (const std::string& item : list(name))
        if (is_utf8(item) && std::find(all.begin(), all.end(), item) == all.end()) all.push_back(item);
    if (!all.empty()) metadata_.set("general." + std::string(key), {gguf::Array(std::move(all))});
  }
  // general.base_model.0.name and so on.
  void sources(std::string_view kind, const std::vector<std::string>& ids, std::string_view url) {
    std::uint32_t count = 0;
    for (const std::string& id : ids) {
      const Name name = split_id(id);
      if (name.name.empty()) continue;
      const std::string prefix = fmt::format("{}.{}.", kind, count++);
      text(prefix + "name", title(name.name));
      text(prefix + "organization", title(name.organization));
      if (!name.organization.empty()) text(prefix + "repo_url", fmt::format("{}{}", url, id));
    }
    if (count != 0) metadata_.set(fmt::format("general.{}.count", kind), {count});
  }

 private:
  const Card& card_;
  gguf::Metadata& metadata_;
};

void add_sampling(const std::filesystem::path& folder, gguf::Metadata& metadata) {
  const auto path = folder / "generation_config.json";
  Json json = read_json_if_there(path);
  if (json.is_null()) return;
  const JsonObject settings(std::move(json), path.string());
  if (!settings.boolean("do_sample", true)) return;
  if (settings.has("top_k"))
    metadata.set("general.sampling.top_k",
                 {static_cast<std::int32_t>(std::min<std::uint64_t>(settings.integer({"top_k"}), 1 << 30))});
  for (const auto& [from, key] : {std::pair{"top_p", "top_p"},
                                  {"min_p", "min_p"},
                                  {"temperature", "temp"},
                                  {"repetition_penalty", "penalty_repeat"}})
    if (settings.has(from))
      metadata.set(fmt::format("general.sampling.{}", key), {static_cast<float>(settings.number({from}))});
}

std::string rounded(double count) {
  const auto [divisor, suffix] = count >= 1e12  ? std::pair{1e12, 'T'}
                                 : count >= 1e9 ? std::pair{1e9, 'B'}
                                 : count >= 1e6 ? std::pair{1e6, 'M'}
                                                : std::pair{1e3, 'K'};
  const double scaled = count / divisor;
  return fmt::format("{:.{}f}{}", scaled, std::round(scaled) < 10 ? 1 : 0, suffix);
}

}  // namespace

Card parse_model_card(std::string_view readme) {
  Card card;
  const auto lines = lines_of(readme.substr(0, 1 << 20));
  if (lines.empty() || trim(lines[0]) != "---") return card;
  std::vector<std::string>* open = nullptr;  // whose list or text goes on below
  bool is_text = false;
  for (std::size_t i = 1; i < lines.size() && trim(lines[i]) != "---"; ++i) {
    const std::string_view line = lines[i], inner = trim(line);
    const bool indented = line.starts_with(' ') || line.starts_with('\t');
    if (is_text && (indented || inner.empty())) {  // a block of text: its lines, joined
      if (open->empty()) open->emplace_back();
      if (!inner.empty()) open->front().append(open->front().empty() ? "" : " ").append(inner);
      continue;
    }
    if (inner.empty() || inner.starts_with('#')) continue;
    if (inner.starts_with("- ")) {
      std::string item = scalar(inner.substr(2));
      const bool nested = inner.find(": ") != inner.npos && item.find(": ") != item.npos;
      if (open && !is_text && !nested && !item.empty()) open->push_back(std::move(item));
      continue;
    }
    const auto colon = line.find(':');
    if (indented || colon == line.npos) continue;  // deeper than a card's own keys
    std::string value(trim(line.substr(colon + 1)));
    std::size_t last = i;
    const std::string list = with_lines_below(value, lines, last);
    open = &card[std::string(trim(line.substr(0, colon)))];
    is_text = value.starts_with('|') || value.starts_with('>');
    if (is_text || value.empty()) continue;
    if (auto items = inline_list(list)) {
      *open = std::move(*items);
      i = last;
    } else if (std::string text = scalar(value); !text.empty()) {
      *open = {std::move(text)};
    }
  }
  return card;
}

std::string size_label(const WeightCount& count) {
  const auto all = static_cast<double>(count.all);
  if (count.expert_count == 0) return rounded(all);
  const auto experts = static_cast<double>(count.experts);
  return fmt::format("{}x{}", count.expert_count,
                     rounded(all - experts + experts / static_cast<double>(count.expert_count)));
}

void add_origin(const std::filesystem::path& folder, const JsonObject& config, const WeightCount& count,
                gguf::Metadata& metadata) {
  Card card;
  if (const auto readme = folder / "README.md";
      std::filesystem::exists(readme) && std::filesystem::file_size(readme) > 0)
    card = parse_model_card(MappedFile(readme).text());
  Writer writer(card, metadata);
  const Name name = name_of(folder, config);
  const auto either = [&](std::string_view key, const std::string& other) {
    return writer.first(key).empty() ? other : writer.first(key);
  };
  writer.text("name", either("model_name", title(name.name)));
  writer.text("organization", either("organization", title(name.organization)));
  for (const char* key : {"author", "version", "description"}) writer.text(key, writer.first(key));
  writer.text("size_label", size_label(count));
  writer.text("license", writer.first("license"));
  writer.text("license.name", writer.first("license_name"));
  writer.text("license.link", writer.first("license_link"));
  std::vector<std::string> bases = writer.list("base_model");
  if (bases.empty() && config.has("base_model_name_or_path")) bases = {config.string("base_model_name_or_path", "")};
  writer.sources("base_model", bases, "https://huggingface.co/");
  writer.sources("dataset", writer.list("datasets"), "https://huggingface.co/datasets/");
  writer.texts("tags", {"tags", "pipeline_tag"});
  writer.texts("languages", {"language", "languages"});
  add_sampling(folder, metadata);
}

}  // namespace hearth::convert
