#include "server/store/journal_rows.h"

#include <zlib.h>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "google/protobuf/io/coded_stream.h"
#include "server/store/journal.pb.h"

namespace halving {
namespace {

namespace pb = ::halving::journal;

// A third of the time of zlib's default, for a twentieth more bytes.
constexpr int kLevel = 3;
constexpr size_t kSizeBytes = 4;
// No pack of ours comes near; more would be damage that fits by chance.
constexpr int64_t kMostPackedBytes = int64_t{256} << 20;

absl::Status Unreadable(absl::string_view row) {
  return absl::DataLossError(absl::StrCat("a row of ", row.size(), " bytes cannot be read"));
}

RowKind KindOfField(int field) {
  switch (field) {
    case pb::Event::kStudyExtendedFieldNumber:
      return RowKind::kStudyExtended;
    case pb::Event::kStudyDeletedFieldNumber:
      return RowKind::kStudyDeleted;
    case pb::Event::kPackFieldNumber:
      return RowKind::kPack;
    case pb::Event::kGapFieldNumber:
      return RowKind::kGap;
    default:
      return RowKind::kEvent;
  }
}

uint32_t SizeAt(absl::string_view bytes) {
  uint32_t size = 0;
  for (size_t i = 0; i < kSizeBytes; ++i) {
    size |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return size;
}

}  // namespace

// The one field of an Event, and in all that have a study its first one, which is field 1.
absl::StatusOr<RowHead> ReadRowHead(absl::string_view row) {
  constexpr uint32_t kLengthDelimited = 2;
  constexpr uint32_t kFirstFieldAsVarint = 1 << 3;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(row.data()),
                                            static_cast<int>(row.size()));
  const uint32_t tag = in.ReadTag();
  uint32_t size = 0;
  if ((tag & 7) != kLengthDelimited || !in.ReadVarint32(&size)) return Unreadable(row);
  const auto field = static_cast<int>(tag >> 3);
  RowHead head{.kind = KindOfField(field)};
  if (field == pb::Event::kWorkerStartedFieldNumber || head.kind == RowKind::kGap) return head;
  uint64_t study = 0;
  if (in.ReadTag() == kFirstFieldAsVarint && in.ReadVarint64(&study)) {
    head.study = static_cast<StudyUid>(study);
  }
  return head;
}

void Packer::Add(absl::string_view event) {
  for (size_t i = 0; i < kSizeBytes; ++i) {
    bytes_.push_back(static_cast<char>(event.size() >> (8 * i)));
  }
  bytes_.append(event.data(), event.size());
}

std::string Packer::Take(StudyUid study, int64_t upto) {
  HV_CHECK(static_cast<int64_t>(bytes_.size()) <= kMostPackedBytes) << "nobody could read it";
  uLongf size = compressBound(bytes_.size());
  std::string deflated(size, '\0');
  HV_CHECK(compress2(reinterpret_cast<Bytef*>(deflated.data()), &size,
                     reinterpret_cast<const Bytef*>(bytes_.data()), bytes_.size(), kLevel) == Z_OK)
      << "zlib cannot deflate " << bytes_.size() << " bytes";
  deflated.resize(size);
  pb::Event row;
  row.mutable_pack()->set_study(study);
  row.mutable_pack()->set_upto(upto);
  row.mutable_pack()->set_event_bytes(static_cast<int64_t>(bytes_.size()));
  row.mutable_pack()->set_events(std::move(deflated));
  bytes_ = std::string();
  return row.SerializeAsString();
}

absl::StatusOr<Pack> DecodePack(absl::string_view row) {
  pb::Event message;
  if (!message.ParseFromArray(row.data(), static_cast<int>(row.size())) || !message.has_pack() ||
      message.pack().event_bytes() < 0 || message.pack().event_bytes() > kMostPackedBytes) {
    return Unreadable(row);
  }
  const pb::Pack& from = message.pack();
  std::string bytes(static_cast<size_t>(from.event_bytes()), '\0');
  uLongf size = bytes.size();
  if (uncompress(reinterpret_cast<Bytef*>(bytes.data()), &size,
                 reinterpret_cast<const Bytef*>(from.events().data()),
                 from.events().size()) != Z_OK ||
      size != bytes.size()) {
    return Unreadable(row);
  }
  Pack pack{.study = from.study(), .upto = from.upto()};
  for (absl::string_view rest = bytes; !rest.empty();) {
    if (rest.size() < kSizeBytes || rest.size() - kSizeBytes < SizeAt(rest)) return Unreadable(row);
    const absl::string_view event = rest.substr(kSizeBytes, SizeAt(rest));
    pack.events.emplace_back(event);
    rest.remove_prefix(kSizeBytes + event.size());
  }
  return pack;
}

absl::StatusOr<int64_t> DecodePackUpto(absl::string_view row) {
  pb::Event message;
  if (!message.ParseFromArray(row.data(), static_cast<int>(row.size())) || !message.has_pack()) {
    return Unreadable(row);
  }
  return message.pack().upto();
}

std::string EncodeGap(int64_t first) {
  pb::Event row;
  row.mutable_gap()->set_first(first);
  return row.SerializeAsString();
}

absl::StatusOr<int64_t> DecodeGap(absl::string_view row) {
  pb::Event message;
  if (!message.ParseFromArray(row.data(), static_cast<int>(row.size())) || !message.has_gap()) {
    return Unreadable(row);
  }
  return message.gap().first();
}

}  // namespace halving
