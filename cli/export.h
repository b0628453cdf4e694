// `halving export`: all trials of a study into a file, however many there are.
#ifndef HALVING_CLI_EXPORT_H_
#define HALVING_CLI_EXPORT_H_

#include <string>

#include "cli/client.h"
#include "cli/console.h"

namespace halving {

enum class ExportFormat { kCsv, kJsonLines };

// Writes them page by page into `path`, which is replaced only by a whole file; "-" is standard
// output, and empty NAME.csv or NAME.jsonl. CSV reads all trials twice: the first time for the
// names of the metrics, which are columns.
int ExportCommand(const std::string& name, const std::string& path, ExportFormat format,
                  Client* client, Console* console);

}  // namespace halving

#endif  // HALVING_CLI_EXPORT_H_
