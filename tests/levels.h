// Runs a test's body on every instruction set that this machine has.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernels/kernels.h"

namespace hearth::tests {

template <class Body>
void on_every_level(Body body) {
  for (const kernels::Table* level : kernels::available()) {
    SCOPED_TRACE(std::string(level->name));
    kernels::use(level->name);
    body();
  }
  kernels::use(kernels::available().front()->name);
}

}  // namespace hearth::tests
