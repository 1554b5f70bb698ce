// What programs that train adapters check of their model.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>

#include <fauna/decode/adapter.hpp>

/// How the weights of what trains are stored, where model.hpp says nothing else.
#ifndef FAUNA_TRAINED_AS
#define FAUNA_TRAINED_AS fauna::All<float>
#endif

namespace tool {

/// Throws unless every name that was asked for is one of a layer of M with an adapter.
template <class M> void require_targets() {
  const auto have = fauna::adapter_config_of<M>("").targets;
  std::string known;
  for (std::string const& t : have) known += (known.empty() ? "" : ", ") + t;
  const std::string_view on = M::rewriting::config.on.view();
  for (std::size_t at = 0; at < on.size();) {
    const std::size_t end = std::min(on.find('|', at), on.size());
    const std::string name(on.substr(at, end - at));
    if (std::find(have.begin(), have.end(), name) == have.end())
      fauna::fail("finetune", "--targets " + name, "linear layers of the model, as " + known + " are");
    at = end + 1;
  }
}

}  // namespace tool
