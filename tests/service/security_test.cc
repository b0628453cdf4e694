// Who reaches a server's methods: by certificate, by token and role, and by owner.
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "halving/v1/admin.grpc.pb.h"
#include "server/access/access.h"
#include "server/access/method_rules.h"
#include "tests/service/server_fixture.h"
#include "tests/support/test_identity.h"

namespace halving {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A guarded server beside the fixture's open one, over the same engine.
class SecurityTest : public testing::Test {
 protected:
  SecurityTest() {
    absl::StatusOr<std::unique_ptr<Access>> opened =
        Access::Open(f_.folder.path(), Clock::Real(), {.needs_tokens = true});
    HV_CHECK(opened.ok()) << opened.status();
    access_ = *std::move(opened);
    Start(nullptr);
  }
  ~SecurityTest() override { Stop(); }

  void Stop() {
    if (server_ != nullptr) server_->Shutdown(absl::Seconds(1));
    server_.reset();
  }
  void Start(TlsWatcher* tls) {
    Stop();
    GrpcServer::Parts parts = f_.Parts();
    parts.access = access_.get();
    parts.tls = tls;
    absl::StatusOr<std::unique_ptr<GrpcServer>> started =
        GrpcServer::Start("127.0.0.1:0", parts, f_.journal.secret());
    HV_CHECK(started.ok()) << started.status();
    server_ = *std::move(started);
    channel_ = Connect(server_->address());
  }

  std::string Make(const std::string& name, Role role, const std::string& owner = "") {
    absl::StatusOr<Access::CreatedToken> made =
        access_->Create({.name = name, .role = role, .owner = owner});
    HV_CHECK(made.ok()) << made.status();
    return made->text;
  }

  // The status that a call of any method with an empty message ends with.
  absl::Status CallPath(const std::string& path, const std::vector<std::string>& tokens,
                        const std::shared_ptr<grpc::Channel>& channel) {
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
    for (const std::string& token : tokens) context.AddMetadata("authorization", "Bearer " + token);
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareCall(&context, path, &queue);
    void* tag = nullptr;
    bool ok = false;
    call->StartCall(nullptr);
    queue.Next(&tag, &ok);
    grpc::ByteBuffer empty{nullptr, 0};
    if (ok) {
      call->WriteLast(empty, {}, nullptr);
      queue.Next(&tag, &ok);
    }
    grpc::ByteBuffer answer;
    call->Read(&answer, nullptr);
    queue.Next(&tag, &ok);
    const bool answered = ok;
    if (answered) context.TryCancel();  // One message of a stream is enough.
    grpc::Status status;
    call->Finish(&status, nullptr);
    queue.Next(&tag, &ok);
    return answered ? absl::OkStatus() : FromGrpc(status);
  }
  absl::Status CallPath(const std::string& path, const std::vector<std::string>& tokens = {}) {
    return CallPath(path, tokens, channel_);
  }

  template <typename Request, typename Response, typename Stub>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const std::string& token, const Request& request) {
    return ServerFixture::CallOn(&stub, method, request, [&](grpc::ClientContext* context) {
      context->AddMetadata("authorization", "Bearer " + token);
    });
  }

  ServerFixture f_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

std::vector<std::string> MethodsOfTheContract() {
  std::vector<std::string> paths;
  for (const auto* file :
       {v1::Study::descriptor()->file(), v1::SuggestRequest::descriptor()->file(),
        v1::UploadRequest::descriptor()->file(), v1::Token::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        paths.push_back(absl::StrCat("/", file->service(s)->full_name(), "/",
                                     file->service(s)->method(m)->name()));
      }
    }
  }
  return paths;
}

// ---- by token and role

TEST_F(SecurityTest, EveryMethodOfTheContractHasARule) {
  const std::vector<std::string> paths = MethodsOfTheContract();
  EXPECT_GE(paths.size(), 25U);
  for (const std::string& path : paths) EXPECT_NE(FindRule(path), nullptr) << path;
}

TEST_F(SecurityTest, EveryMethodOfTheServerNeedsAToken) {
  for (const MethodRule& rule : MethodRules()) {
    const std::string path(rule.path);
    if (path.rfind("/http/", 0) == 0) continue;
    EXPECT_THAT(CallPath(path), StatusIs(StatusCode::kUnauthenticated)) << path;
    EXPECT_THAT(CallPath(path, {"hv_0123456789ab_" + std::string(64, '0')}),
                StatusIs(StatusCode::kUnauthenticated))
        << path;
  }
  EXPECT_THAT(CallPath("/no.such/Method"), StatusIs(StatusCode::kUnauthenticated));
}

TEST_F(SecurityTest, EveryMethodRefusesEveryWrongRole) {
  const std::string reader = Make("r", Role::kReader);
  const std::string worker = Make("w", Role::kWorker);
  const std::string team = Make("t", Role::kAdmin, "vision");
  for (const MethodRule& rule : MethodRules()) {
    const std::string path(rule.path);
    if (path.rfind("/http/", 0) == 0) continue;
    const auto denied = [&](const std::string& token) {
      return absl::IsPermissionDenied(CallPath(path, {token}));
    };
    EXPECT_EQ(denied(reader), !rule.reader) << path;
    EXPECT_EQ(denied(worker), !rule.worker) << path;
    EXPECT_EQ(denied(team), rule.whole_server) << path;
  }
}

TEST_F(SecurityTest, AMethodThatDoesNotExistIsDeniedWithAnyToken) {
  EXPECT_THAT(CallPath("/no.such/Method", {Make("a", Role::kAdmin)}),
              StatusIs(StatusCode::kPermissionDenied));
}

TEST_F(SecurityTest, TwoTokensInOneCallAreRefused) {
  EXPECT_THAT(CallPath("/halving.v1.WorkerService/Suggest",
                       {Make("w", Role::kWorker), Make("v", Role::kWorker, "vision")}),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("twice")));
}

TEST_F(SecurityTest, CallsFromWithinTheProcessNeedATokenToo) {
  const std::shared_ptr<grpc::Channel> within = server_->InProcessChannel();
  const std::string reader = Make("r", Role::kReader);
  for (const std::string& path : MethodsOfTheContract()) {
    EXPECT_THAT(CallPath(path, {}, within), StatusIs(StatusCode::kUnauthenticated)) << path;
    EXPECT_EQ(absl::IsPermissionDenied(CallPath(path, {reader}, within)), !FindRule(path)->reader)
        << path;
  }
}

TEST_F(SecurityTest, ARevokedTokenIsRefusedFromTheNextCallOn) {
  const std::string reader = Make("r", Role::kReader);
  EXPECT_THAT(CallPath("/halving.v1.StudyService/ListStudies", {reader}), IsOk());
  ASSERT_THAT(access_->Revoke("r"), IsOk());
  EXPECT_THAT(CallPath("/halving.v1.StudyService/ListStudies", {reader}),
              StatusIs(StatusCode::kUnauthenticated));
}

TEST_F(SecurityTest, AWatchEndsWithItsToken) {
  ASSERT_THAT(f_.Create(FlatSpec("s", 3)), IsOk());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  context.AddMetadata("authorization", "Bearer " + Make("r", Role::kReader));
  v1::WatchStatusRequest watch;
  watch.set_name("s");
  const auto studies = v1::StudyService::NewStub(channel_);
  const auto stream = studies->WatchStatus(&context, watch);
  v1::StudyStatus status;
  ASSERT_TRUE(stream->Read(&status));
  ASSERT_THAT(access_->Revoke("r"), IsOk());
  f_.Take("w", "1");  // A change to tell of.
  f_.clock.Advance(absl::Seconds(2));
  f_.RunBatch();
  while (stream->Read(&status)) {
  }
  EXPECT_THAT(FromGrpc(stream->Finish()), StatusIs(StatusCode::kUnauthenticated));
}

TEST_F(SecurityTest, AnAskThatWaitedGetsNothingOnceItsTokenEnded) {
  const auto stub = v1::WorkerService::NewStub(channel_);
  const std::string token = Make("w", Role::kWorker);
  std::promise<absl::Status> answered;
  std::thread waiting([&] {
    v1::SuggestRequest ask;
    ask.set_worker_id("gpu");
    ask.set_request_id("1");
    ask.mutable_wait()->set_seconds(30);
    answered.set_value(Call(*stub, &v1::WorkerService::Stub::Suggest, token, ask).status());
  });
  ServerFixture::Await("an ask that waits", [&] { return f_.Waiting() > 0; });
  ASSERT_THAT(access_->Revoke("w"), IsOk());
  ASSERT_THAT(f_.Create(FlatSpec("s", 3)), IsOk());
  EXPECT_THAT(answered.get_future().get(), StatusIs(StatusCode::kUnauthenticated));
  waiting.join();
  f_.RunBatch();
  const auto status = f_.Named<v1::GetStatusRequest>(&StudyStub::GetStatus, "s");
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(status->running_size(), 0) << "it was given back";
  EXPECT_EQ(f_.Take("other", "2").trial_id(), 1);
}

TEST_F(SecurityTest, TokensAreMadeListedAndRevokedByCalls) {
  const std::string admin = Make("a", Role::kAdmin);
  const auto stub = v1::AdminService::NewStub(channel_);
  using Stub = v1::AdminService::Stub;
  v1::CreateTokenRequest create;
  create.set_name("new");
  EXPECT_THAT(Call(*stub, &Stub::CreateToken, admin, create),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("role")));
  create.set_role(v1::ROLE_WORKER);
  create.set_owner("vision");
  create.mutable_lifetime()->set_seconds(3600);
  const auto made = Call(*stub, &Stub::CreateToken, admin, create);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->token().owner(), "vision");
  EXPECT_EQ((made->token().expire_time().seconds() - made->token().create_time().seconds()), 3600);
  EXPECT_FALSE(
      absl::IsPermissionDenied(CallPath("/halving.v1.WorkerService/Suggest", {made->text()})));
  const auto listed = Call(*stub, &Stub::ListTokens, admin, v1::ListTokensRequest());
  ASSERT_THAT(listed, IsOk());
  EXPECT_EQ(listed->tokens(listed->tokens_size() - 1).name(), "new");
  EXPECT_THAT(listed->DebugString(), Not(HasSubstr(made->text().substr(20))));
  v1::RevokeTokenRequest revoke;
  revoke.set_name("new");
  EXPECT_THAT(Call(*stub, &Stub::RevokeToken, admin, revoke), IsOk());
  EXPECT_THAT(Call(*stub, &Stub::RevokeToken, admin, revoke), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(CallPath("/halving.v1.WorkerService/Suggest", {made->text()}),
              StatusIs(StatusCode::kUnauthenticated));
}

// ---- by owner

TEST_F(SecurityTest, ATeamSeesItsStudiesAndWorkersOnly) {
  ASSERT_THAT(f_.Create(FlatSpec("shared", 3)), IsOk());
  const std::string vision = Make("va", Role::kAdmin, "vision");
  const std::string speech = Make("sr", Role::kReader, "speech");
  const auto stub = v1::StudyService::NewStub(channel_);
  using Stub = v1::StudyService::Stub;
  v1::CreateStudyRequest create;
  *create.mutable_study() = FlatSpec("lenet", 3);
  const auto made = Call(*stub, &Stub::CreateStudy, vision, create);
  ASSERT_THAT(made, IsOk());
  EXPECT_EQ(made->spec().owner(), "vision");

  const auto mine = Call(*stub, &Stub::ListStudies, vision, v1::ListStudiesRequest());
  ASSERT_THAT(mine, IsOk());
  ASSERT_EQ(mine->studies_size(), 1);
  EXPECT_EQ(mine->studies(0).spec().name(), "lenet");
  const auto theirs = Call(*stub, &Stub::ListStudies, speech, v1::ListStudiesRequest());
  ASSERT_THAT(theirs, IsOk());
  EXPECT_EQ(theirs->studies_size(), 0);

  v1::GetStudyRequest get;
  get.set_name("lenet");
  EXPECT_THAT(Call(*stub, &Stub::GetStudy, vision, get), IsOk());
  EXPECT_THAT(Call(*stub, &Stub::GetStudy, speech, get), StatusIs(StatusCode::kNotFound));
  v1::GetTrialRequest trial;
  trial.set_name("lenet");
  trial.set_trial_id(1);
  EXPECT_THAT(Call(*stub, &Stub::GetTrial, speech, trial), StatusIs(StatusCode::kNotFound));
  v1::ListTrialsRequest trials;
  trials.set_name("lenet");
  EXPECT_THAT(Call(*stub, &Stub::ListTrials, speech, trials), StatusIs(StatusCode::kNotFound));
  v1::GetTrialLogRequest log;
  log.set_name("lenet");
  log.set_trial_id(1);
  EXPECT_THAT(Call(*stub, &Stub::GetTrialLog, speech, log), StatusIs(StatusCode::kNotFound));
}

TEST_F(SecurityTest, ATeamsWorkerTrainsForItsTeamOnlyAndUnderItsName) {
  ASSERT_THAT(f_.Create(FlatSpec("shared", 3)), IsOk());
  v1::StudySpec spec = FlatSpec("lenet", 3);
  spec.set_owner("vision");
  ASSERT_THAT(f_.Create(spec), IsOk());
  const std::string vision = Make("vw", Role::kWorker, "vision");
  const std::string speech = Make("sw", Role::kWorker, "speech");
  const auto stub = v1::WorkerService::NewStub(channel_);
  using Stub = v1::WorkerService::Stub;
  v1::SuggestRequest ask;
  ask.set_worker_id("gpu");
  ask.set_request_id("1");
  const auto none = Call(*stub, &Stub::Suggest, speech, ask);
  ASSERT_THAT(none, IsOk());
  EXPECT_FALSE(none->has_assignment());
  const auto got = Call(*stub, &Stub::Suggest, vision, ask);
  ASSERT_THAT(got, IsOk());
  ASSERT_TRUE(got->has_assignment());
  EXPECT_EQ(got->assignment().study(), "lenet");

  v1::ReportRequest report;
  report.set_lease_id(got->assignment().lease_id());
  report.mutable_completed()->set_error(0.5);
  EXPECT_THAT(Call(*stub, &Stub::Report, speech, report), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(Call(*stub, &Stub::Report, vision, report), IsOk());

  // The other team's worker of that name is another one.
  const auto studies = v1::StudyService::NewStub(channel_);
  const auto names = [&](const std::string& token) {
    std::vector<std::string> shown;
    const auto workers =
        Call(*studies, &v1::StudyService::Stub::ListWorkers, token, v1::ListWorkersRequest());
    for (const v1::Worker& worker : workers->workers()) shown.push_back(worker.worker_id());
    return shown;
  };
  EXPECT_THAT(names(Make("vr", Role::kReader, "vision")), ElementsAre("vision/gpu"));
  EXPECT_THAT(names(Make("all", Role::kReader)), ElementsAre("speech/gpu", "vision/gpu"));
  EXPECT_THAT(names(Make("or", Role::kReader, "other")), IsEmpty());
}

TEST_F(SecurityTest, ATeamWatchesAndFetchesItsOwnOnly) {
  v1::StudySpec spec = FlatSpec("lenet", 3);
  spec.set_owner("vision");
  ASSERT_THAT(f_.Create(spec), IsOk());
  const std::string speech = Make("sr", Role::kReader, "speech");
  const auto refused = [&](auto stream) { return FromGrpc(stream->Finish()); };
  grpc::ClientContext watching;
  watching.AddMetadata("authorization", "Bearer " + speech);
  v1::WatchStatusRequest watch;
  watch.set_name("lenet");
  const auto studies = v1::StudyService::NewStub(channel_);
  EXPECT_THAT(refused(studies->WatchStatus(&watching, watch)), StatusIs(StatusCode::kNotFound));
  grpc::ClientContext fetching;
  fetching.AddMetadata("authorization", "Bearer " + speech);
  v1::DownloadRequest fetch;
  fetch.set_study("lenet");
  const auto checkpoints = v1::CheckpointService::NewStub(channel_);
  EXPECT_THAT(refused(checkpoints->Download(&fetching, fetch)),
              StatusIs(StatusCode::kNotFound, HasSubstr("no study")));
}

// ---- by certificate

class TlsTest : public SecurityTest {
 protected:
  void Write(const TestIdentity& identity) {
    WriteTestFile(files_.cert, identity.certificate_pem());
    WriteTestFile(files_.key, identity.key_pem());
    WriteTestFile(files_.ca, ca_.certificate_pem());
  }
  void Serve(bool asks_for_certificates) {
    Write(server_identity_);
    TlsFiles files = files_;
    if (!asks_for_certificates) files.ca.clear();
    absl::StatusOr<std::unique_ptr<TlsWatcher>> tls =
        TlsWatcher::Start(files, {.interval = absl::Milliseconds(10),
                                  .inform = [](const auto&) {},
                                  .warn = [](const auto&) {}});
    HV_CHECK(tls.ok()) << tls.status();
    tls_ = *std::move(tls);
    Start(tls_.get());
  }
  // The status of a call by one who trusts `ca` and shows `own`.
  absl::Status CallAs(const TestIdentity* own, const TestIdentity& ca) {
    grpc::SslCredentialsOptions options{.pem_root_certs = ca.certificate_pem()};
    if (own != nullptr) {
      options.pem_private_key = own->key_pem();
      options.pem_cert_chain = own->certificate_pem();
    }
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return CallPath(
        "/halving.v1.StudyService/ListStudies", {reader_},
        grpc::CreateCustomChannel(server_->address(), grpc::SslCredentials(options), arguments));
  }

  ~TlsTest() override { Stop(); }

  const TestIdentity ca_{"ca"};
  const TestIdentity server_identity_{"server", &ca_};
  const TestIdentity client_{"client", &ca_};
  const TlsFiles files_{f_.folder.File("cert"), f_.folder.File("key"), f_.folder.File("ca")};
  const std::string reader_ = Make("tls-reader", Role::kReader);
  std::unique_ptr<TlsWatcher> tls_;
};

TEST_F(TlsTest, WithoutACaNoCertificateIsAskedFor) {
  Serve(false);
  EXPECT_THAT(CallAs(nullptr, ca_), IsOk());
}

TEST_F(TlsTest, PlaintextToATlsPortIsRefused) {
  Serve(false);
  EXPECT_THAT(CallPath("/halving.v1.StudyService/ListStudies", {reader_}),
              StatusIs(StatusCode::kUnavailable));
}

TEST_F(TlsTest, WithACaOnlyItsCertificatesAreServed) {
  Serve(true);
  EXPECT_THAT(CallAs(&client_, ca_), IsOk());
  EXPECT_THAT(CallAs(nullptr, ca_), StatusIs(StatusCode::kUnavailable)) << "no certificate";
  const TestIdentity other_ca("other");
  const TestIdentity foreign("foreign", &other_ca);
  EXPECT_THAT(CallAs(&foreign, ca_), StatusIs(StatusCode::kUnavailable)) << "another CA";
  const TestIdentity old("old", &ca_, -absl::Hours(9), -absl::Hours(1));
  EXPECT_THAT(CallAs(&old, ca_), StatusIs(StatusCode::kUnavailable)) << "expired";
  EXPECT_THAT(CallAs(&client_, other_ca), StatusIs(StatusCode::kUnavailable))
      << "a client that trusts another CA";
}

TEST_F(TlsTest, ACertificateDoesNotStandForAToken) {
  Serve(true);
  grpc::SslCredentialsOptions options{.pem_root_certs = ca_.certificate_pem(),
                                      .pem_private_key = client_.key_pem(),
                                      .pem_cert_chain = client_.certificate_pem()};
  EXPECT_THAT(CallPath("/halving.v1.StudyService/ListStudies", {},
                       grpc::CreateChannel(server_->address(), grpc::SslCredentials(options))),
              StatusIs(StatusCode::kUnauthenticated));
}

TEST_F(TlsTest, ANewCertificateIsShownFromTheNextConnectionOn) {
  Serve(true);
  const TestIdentity next_ca("next ca");
  const TestIdentity next("next", &next_ca);
  EXPECT_THAT(CallAs(&client_, next_ca), StatusIs(StatusCode::kUnavailable));
  Write(next);
  ServerFixture::Await("the new certificate", [&] { return CallAs(&client_, next_ca).ok(); });
  EXPECT_THAT(CallAs(&client_, ca_), StatusIs(StatusCode::kUnavailable)) << "the old one is gone";
}

}  // namespace
}  // namespace halving
