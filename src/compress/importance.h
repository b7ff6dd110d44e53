// How much each input of a weight matrix matters: the mean square of what it multiplies, over a text.
// Kept in llama.cpp's GGUF form: NAME.in_sum2 [columns, experts], NAME.counts [1, experts], general.type "imatrix".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "base/types.h"
#include "gguf/file.h"
#include "model/model.h"
#include "model/tape.h"

namespace hearth::compress {

struct Importance {
  struct Matrix {
    std::size_t columns = 0;
    std::vector<float> sums;    // of squares, [experts, columns]
    std::vector<float> counts;  // of rows, [experts]
  };
  std::map<std::string, Matrix, std::less<>> matrices;  // by the weight tensor's name
  std::vector<std::string> datasets;
  std::uint32_t chunks = 0, chunk_tokens = 0;
  std::string model;  // the name of the model it was measured on; empty where the file does not say

  // [columns], or empty where nothing was measured for this matrix.
  std::vector<float> mean_squares(std::string_view tensor, std::size_t expert) const;

  // Throws bad_input naming file and fault: not GGUF, of another kind, parts missing or of wrong shape, numbers that
  // are none.
  static Importance read(const std::filesystem::path& path);
  void write(const std::filesystem::path& path) const;

  // Throws bad_input naming the tensor that does not fit, where this was measured on another model.
  void check_against(const gguf::File& model, const std::string& origin) const;
};

struct CalibrationOptions {
  std::size_t context = 512;
  std::size_t chunks = 0;  // 0: all that fit
};
// Runs chunks of a text through a model for what `observer` (and `tape`) sees. `progress` hears of each chunk; false
// stops with cancelled. Returns how many chunks were run. Throws bad_input where the tokens do not fill one.
std::size_t run_chunks(const model::Model& model, ThreadPool& pool, std::span<const Token> tokens, Token bos,
                       const CalibrationOptions& options, const model::Observer& observer,
                       const std::function<bool(std::size_t done, std::size_t of)>& progress = {},
                       model::Tape* tape = nullptr);

Importance measure_importance(const model::Model& model, ThreadPool& pool, std::span<const Token> tokens, Token bos,
                              const CalibrationOptions& options, std::string dataset,
                              const std::function<bool(std::size_t done, std::size_t of)>& progress = {});

}  // namespace hearth::compress
