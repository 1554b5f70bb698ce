// A config on its way through a config.json.
#pragma once
#include <string>

#include <fauna/models/config_text.hpp>
#include <tools/src/directory.hpp>

#include "temporary.hpp"

namespace test {

/// The config's line, after the way through a file.
template <class C> std::string through_file(C const& c) {
  using namespace fauna;
  TemporaryFolder folder;
  write_file(folder / "config.json", tool::checkpoint_model("a checkpoint", to_text(c))->config_json().dump(2));
  return tool::read_config(folder.path()).model->line();
}

}  // namespace test
