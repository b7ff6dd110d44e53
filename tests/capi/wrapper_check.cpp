// hearth.hpp: what it adds to hearth.h. The argument is the folder that make_models.py filled.
#include <hearth/hearth.hpp>
#include <iostream>

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::cerr << __FILE__ << ":" << __LINE__ << ": not so: " #condition; \
      std::cerr << "\n";                                                   \
      return 1;                                                            \
    }                                                                      \
  } while (0)

int main(int argc, char** argv) {
  using namespace openhearth;
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  Model model(folder + "/tiny.gguf");
  CHECK(model.metadata("llama.block_count") == "2");
  CHECK(model.detokenize(model.tokenize("the low")) == "the low");
  CHECK(model.count_tokens("the low") == model.tokenize("the low").size());
  Session session(model);
  GenerationOptions options;
  options.options.temperature = 0;
  options.options.max_tokens = 8;
  options.options.ignore_end = 1;
  std::string heard;
  const Result result = session.complete("the low", options, [&](std::string_view text, hearth_token) {
    heard += text;
    return true;
  });
  CHECK(heard == result.text && result.tokens.size() == 8);
  options.stop = {"never met"};
  options.logit_bias = {{65, 100.0f}};
  CHECK(session.complete("the low", options).text == "AAAAAAAA");
  try {
    session.complete("the low", options,
                     [](std::string_view, hearth_token) -> bool { throw std::runtime_error("mine"); });
    CHECK(!"the callback's exception is lost");
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) == "mine");
  }
  try {
    Model absent(folder + "/absent.gguf");
    CHECK(!"opened what is not there");
  } catch (const Error& error) {
    CHECK(error.status() == HEARTH_NOT_FOUND && std::string(error.what()).find("absent.gguf") != std::string::npos);
  }
  Adapter adapter(model, folder + "/tiny-adapter.gguf");
  session.set_adapters({{&adapter, 0.5f}});
  CHECK(model.score("the low", {"er", " x"}).size() == 2);
  Model encoder(folder + "/tiny-encoder.gguf");
  const auto vectors = encoder.embed({"the cat", "a dog"});
  CHECK(vectors.size() == 2 && vectors[1].size() == 32);
  Session moved(std::move(session));
  moved.set_system("Be brief.");
  CHECK(moved.messages().find("brief") != std::string::npos);
  model.close();
  try {
    model.count_tokens("x");
    CHECK(!"a closed model was used");
  } catch (const Error& error) {
    CHECK(error.status() == HEARTH_CLOSED);
  }
  std::cout << "hearth.hpp: all checks hold\n";
}
