#include "report/entry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "report/pages.h"

namespace hearth::report {
namespace {

Entry entry(const std::string& method, double megabytes, double average, double speed) {
  Entry entry;
  entry.method = method;
  entry.bytes = std::uint64_t(megabytes * 1e6);
  entry.bits_per_weight = megabytes / 20;
  entry.perplexity = Figure{1000 / average, 0.5};
  if (method != "original") {
    entry.divergence = Figure{0.01, 0.001};
    entry.agreement = Figure{0.9, 0.01};
  }
  entry.tasks = {{"piqa", "acc_norm", {average / 100, 0.01}, {}}};
  entry.average = Figure{average / 100, 0.001};
  entry.prompt_speed = 10 * speed;
  entry.generation_speed = speed;
  entry.peak_memory = entry.bytes + 50'000'000;
  return entry;
}

Report report() {
  Report report;
  report.model = "M<1>";
  report.subject = "s";
  report.machine = {"Some CPU", "avx2", 2, 8'000'000'000, 4'000'000'000, "2026-01-02"};
  report.text_note = "words.txt";
  report.task_note = "all rows";
  report.entries = {entry("original", 270, 50, 60), entry("q8_0", 140, 50, 100), entry("q4_k_m", 100, 49.5, 150),
                    entry("q4_0", 90, 47, 180), entry("q2_k", 70, 40, 190)};
  return report;
}

TEST(Report, GoesThroughJson) {
  const Json document = to_json(report());
  EXPECT_EQ(to_json(from_json(Json::parse(document.dump()), "x")), document);
  for (const char* key : {"machine", "entries", "model"}) {
    Json broken = document;
    broken.erase(key);
    try {
      from_json(broken, "other/report.json");
      FAIL() << key;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("other/report.json"), std::string::npos);
    }
  }
}

TEST(Report, WhatIsKept) {
  const Report all = report();
  EXPECT_EQ(kept(all, all.entries[0]).value, 1);
  EXPECT_NEAR(kept(all, all.entries[3]).value, 0.94, 1e-9);
  EXPECT_GT(kept(all, all.entries[3]).error, 0);
  Report by_text = report();
  for (Entry& one : by_text.entries) one.average.reset();
  EXPECT_NEAR(kept(by_text, by_text.entries[4]).value, 0.8, 1e-9);
}

// Where both tell which rows were right, only those count on which they differ.
TEST(Report, ErrorOfWhatIsKeptIsPaired) {
  Report all = report();
  const std::string original = "1101100110", same = original, one_off = "1101100111";
  const auto set = [](Entry& entry, const std::string& right) {
    const double share = double(std::count(right.begin(), right.end(), '1')) / double(right.size());
    entry.tasks = {{"piqa", "acc_norm", {share, 0.1}, right}};
    entry.average = Figure{share, 0.1};
  };
  set(all.entries[0], original);
  set(all.entries[1], same);
  set(all.entries[2], one_off);
  EXPECT_EQ(kept(all, all.entries[1]).value, 1);
  EXPECT_NEAR(kept(all, all.entries[1]).error, 0, 1e-12);
  const Figure other = kept(all, all.entries[2]);
  EXPECT_NEAR(other.value, 7.0 / 6, 1e-9);
  // a - 7/6 b: six times -1/6, once 1, thrice 0; its mean is 0.
  EXPECT_NEAR(other.error, std::sqrt((6.0 / 36 + 1) / 10 / 9) / 0.6, 1e-9);
  EXPECT_EQ(to_json(from_json(to_json(all), "x")), to_json(all));
}

TEST(Report, RecommendsTheFastestThatKeepsNearlyAll) {
  EXPECT_EQ(recommendation(report()).find("On this machine (Some CPU, 2 threads, 4.0 GB free): take "
                                          "q4_k_m, the fastest that "
                                          "keeps at least 98%: 100.0 MB, 99.0 ± 0.3% of the original's task "
                                          "performance, 150 tokens/s"),
            0u)
      << recommendation(report());
  Report unsure = report();  // 99% that may as well be 96%
  unsure.entries[2].average->error = 0.015;
  EXPECT_NE(recommendation(unsure).find("take q8_0, the fastest that keeps at least 98%"), std::string::npos);
  Report little = report();
  little.machine.memory_free = 145'000'000;  // q4_k_m needs 150 MB
  EXPECT_NE(recommendation(little).find("take q4_0, the fastest that keeps at least 90%"), std::string::npos)
      << recommendation(little);
  Report unmeasured = report();
  for (Entry& one : unmeasured.entries) one.average.reset(), one.perplexity.reset();
  EXPECT_NE(recommendation(unmeasured).find("q2_k is the fastest, 190 tokens/s generated; quality was not measured"),
            std::string::npos)
      << recommendation(unmeasured);
  little.machine.memory_free = 1'000'000;
  EXPECT_NE(recommendation(little).find("none of these fits"), std::string::npos);
}

TEST(Report, PagesTellAllAndEscape) {
  Report other = report();
  other.machine.cpu = "Other CPU";
  for (Entry& one : other.entries) one.generation_speed *= 2;
  const std::string page = html(report(), {other}), text = markdown(report(), {other});
  for (const Entry& one : report().entries) {
    EXPECT_NE(page.find("<td>" + one.method + "</td>"), std::string::npos);
    EXPECT_NE(text.find("| " + one.method + " |"), std::string::npos);
  }
  EXPECT_NE(page.find("M&lt;1&gt;"), std::string::npos);
  EXPECT_EQ(page.find("M<1>"), std::string::npos);
  EXPECT_NE(page.find("Other CPU"), std::string::npos);
  EXPECT_NE(text.find("![perplexity-speed](perplexity-speed.svg)"), std::string::npos);
  EXPECT_NE(page.find("</svg>"), std::string::npos);
  EXPECT_EQ(pictures(report(), {other}).size(), 4u);
  Report bare = report();
  for (Entry& one : bare.entries) {
    one.average.reset();
    one.perplexity.reset();
  }
  EXPECT_TRUE(pictures(bare, {}).empty());
  EXPECT_NE(html(bare, {}).find("</html>"), std::string::npos);
}

}  // namespace
}  // namespace hearth::report
