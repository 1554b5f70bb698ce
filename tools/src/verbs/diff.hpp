// Two models beside each other.
#pragma once
#include <string>

#include <tools/src/flags.hpp>

namespace tool::verbs {

/// Prints what is otherwise in the settings, the trees and the costs of two models.
void diff(Verb const& verb, std::string const& one, std::string const& other);

}  // namespace tool::verbs
