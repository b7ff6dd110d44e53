// Error feedback: columns are rounded one after another, and what one loses, later ones make good as far as they act on
// the same outputs. [GPTQ, arXiv 2210.17323; as LDLQ, arXiv 2307.13304]
#pragma once

#include <memory>

#include "compress/hessian.h"
#include "compress/method.h"

namespace hearth::compress {

struct FeedbackOptions {
  float damping = 0.01f;  // of the mean diagonal, added to the diagonal
  int sweeps = 2;         // over all codes afterwards, each moved to where it is best given the others
};

// The error of a row e is e H e^T. No row's is larger than that of the nearest encoding, which takes its place where
// it would be.
std::unique_ptr<RowEncoder> feedback_encoder(tensor::Type type, std::shared_ptr<const Hessian> hessian,
                                             ThreadPool& pool, const FeedbackOptions& options = {});

}  // namespace hearth::compress
