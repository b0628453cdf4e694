// The files of web/, as they lie in the program.
#ifndef HALVING_SERVER_DASHBOARD_WEB_ASSETS_H_
#define HALVING_SERVER_DASHBOARD_WEB_ASSETS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace halving {

struct WebAsset {
  std::string path;  // "/index.html"
  absl::string_view bytes;
};

// Made by server/dashboard/CMakeLists.txt.
std::vector<WebAsset> WebAssets();

}  // namespace halving

#endif  // HALVING_SERVER_DASHBOARD_WEB_ASSETS_H_
