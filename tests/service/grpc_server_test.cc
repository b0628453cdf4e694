// GrpcServer: its port, health, reflection, limits and how it goes down.
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "tests/service/messages.h"
#include "tests/service/server_fixture.h"

namespace halving {
namespace {

using absl::StatusCode;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kServices[] = {"", "halving.v1.StudyService", "halving.v1.WorkerService",
                                     "halving.v1.AdminService"};

absl::StatusOr<HealthCheckResponse::ServingStatus> Health(ServerFixture& f,
                                                          const std::string& service) {
  grpc::TemplatedGenericStub<HealthCheckRequest, HealthCheckResponse> stub(f.channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  const auto answered = std::make_shared<std::promise<grpc::Status>>();
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request, &response,
                 [answered](grpc::Status status) { answered->set_value(status); });
  const grpc::Status status = answered->get_future().get();
  if (!status.ok()) return FromGrpc(status);
  return response.status();
}

// What reflection answers, as bytes, to a request in bytes.
std::string Reflect(ServerFixture& f, const std::string& request) {
  grpc::GenericStub stub(f.channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  grpc::CompletionQueue queue;
  const auto await = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  EXPECT_TRUE(await());
  const grpc::Slice slice(request);
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  EXPECT_TRUE(await());
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  EXPECT_TRUE(await());
  call->WritesDone(nullptr);
  EXPECT_TRUE(await());
  grpc::Status status;
  call->Finish(&status, nullptr);
  EXPECT_TRUE(await());
  grpc::Slice flat;
  EXPECT_TRUE(response.DumpToSingleSlice(&flat).ok());
  return {reinterpret_cast<const char*>(flat.begin()), flat.size()};
}

// ---- its port

TEST(GrpcServerTest, NamesThePortThatItWasGiven) {
  ServerFixture f;
  EXPECT_THAT(f.address(), testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
}

TEST(GrpcServerTest, ASecondOneOnThePortIsRefusedNamingIt) {
  ServerFixture f;
  EXPECT_THAT(
      GrpcServer::Start(f.address(), f.Parts(), "secret").status(),
      StatusIs(StatusCode::kUnavailable, AllOf(HasSubstr(f.address()), HasSubstr("--listen"))));
  EXPECT_THAT(f.Create(FlatSpec("s", 1)), IsOk()) << "the first one goes on";
}

TEST(GrpcServerTest, AnAddressOfAnotherMachineIsRefused) {
  ServerFixture f;
  EXPECT_THAT(GrpcServer::Start("192.0.2.1:7070", f.Parts(), "secret").status(),
              StatusIs(StatusCode::kUnavailable, HasSubstr("192.0.2.1:7070")));
}

TEST(GrpcServerTest, AnAddressWithoutAPortIsRefused) {
  ServerFixture f;
  for (const std::string listen : {"", "localhost", "127.0.0.1:"}) {
    EXPECT_THAT(
        GrpcServer::Start(listen, f.Parts(), "secret").status(),
        StatusIs(StatusCode::kInvalidArgument,
                 AllOf(HasSubstr(absl::StrCat("\"", listen, "\"")), HasSubstr("HOST:PORT"))));
  }
}

// ---- what comes with it

TEST(GrpcServerTest, ItsHealthIsToldForItAndForEachService) {
  ServerFixture f;
  for (const bool serving : {true, false, true}) {
    f.server->SetServing(serving);
    for (const std::string service : kServices) {
      EXPECT_THAT(Health(f, service), IsOkAndHolds(serving ? HealthCheckResponse::SERVING
                                                           : HealthCheckResponse::NOT_SERVING))
          << service;
    }
  }
  EXPECT_THAT(Health(f, "halving.v1.Other"), StatusIs(StatusCode::kNotFound));
}

TEST(GrpcServerTest, ServesAtOnce) {
  ServerFixture f;
  EXPECT_THAT(Health(f, ""), IsOkAndHolds(HealthCheckResponse::SERVING));
}

TEST(GrpcServerTest, ReflectionListsItsServices) {
  ServerFixture f;
  const std::string services = Reflect(f, std::string("\x3a\x01*"));  // list_services: "*"
  for (const char* service :
       {"halving.v1.StudyService", "halving.v1.WorkerService", "halving.v1.AdminService",
        "grpc.health.v1.Health", "grpc.reflection.v1alpha"}) {
    EXPECT_THAT(services, HasSubstr(service));
  }
}

TEST(GrpcServerTest, ReflectionDescribesItsServices) {
  ServerFixture f;
  const auto describe = [&f](const std::string& symbol) {  // file_containing_symbol
    return Reflect(f, std::string("\x22") + static_cast<char>(symbol.size()) + symbol);
  };
  EXPECT_THAT(describe("halving.v1.StudyService"), HasSubstr("WatchStatusRequest"));
  EXPECT_THAT(describe("halving.v1.WorkerService"), HasSubstr("SuggestRequest"));
  EXPECT_THAT(describe("grpc.health.v1.Health"), HasSubstr("HealthCheckRequest"));
}

// ---- its limits

TEST(GrpcServerTest, AMessageOfFiveMebibytesIsTooLarge) {
  ServerFixture f;
  v1::StudySpec spec = FlatSpec("s", 1);
  spec.set_objective(std::string(5 << 20, 'x'));
  EXPECT_THAT(f.Create(spec), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  f.LetTheServerRead();  // What is left of the message: going down at once waits for it.
}

TEST(GrpcServerTest, ACallThatIsNoneIsUnimplemented) {
  ServerFixture f;
  grpc::TemplatedGenericStub<v1::GetStudyRequest, v1::Study> stub(f.channel);
  grpc::ClientContext context;
  const v1::GetStudyRequest request;
  v1::Study response;
  const auto answered = std::make_shared<std::promise<grpc::Status>>();
  stub.UnaryCall(&context, "/halving.v1.StudyService/Other", grpc::StubOptions(), &request,
                 &response, [answered](grpc::Status status) { answered->set_value(status); });
  EXPECT_EQ(answered->get_future().get().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

// ---- down

TEST(GrpcServerTest, LongPollsOfFiftyClientsAreAnsweredAtDrain) {
  constexpr int kClients = 50;
  ServerFixture f;
  std::vector<std::future<absl::StatusOr<v1::SuggestResponse>>> polls;
  for (int i = 0; i < kClients; ++i) {
    polls.push_back(f.StartSuggest(AskOf(absl::StrCat("w", i), "r", 30)));
  }
  f.AwaitWorkers(kClients);
  f.engine->Drain();
  for (auto& poll : polls) {
    const absl::StatusOr<v1::SuggestResponse> response = poll.get();
    ASSERT_THAT(response, IsOk());
    EXPECT_TRUE(response->draining());
    EXPECT_FALSE(response->has_assignment());
    EXPECT_GT(response->retry_after().seconds(), 0);
  }
}

TEST(GrpcServerTest, AfterADrainGoesDownLongBeforeItsGraceIsOver) {
  ServerFixture f;
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  ASSERT_THAT(f.Named(&StudyStub::PauseStudy, "s"), IsOk());
  Watcher watcher(f, WatchOf("s", 1000));
  watcher.Next();
  std::vector<std::future<absl::StatusOr<v1::SuggestResponse>>> polls;
  for (int i = 0; i < 5; ++i) polls.push_back(f.StartSuggest(AskOf(absl::StrCat("w", i), "r", 30)));
  f.AwaitWorkers(5);
  constexpr absl::Duration kGrace = absl::Seconds(50);
  const absl::Time begin = Clock::Real()->Now();
  f.engine->Drain();
  f.server->Shutdown(kGrace);
  EXPECT_LT(Clock::Real()->Now() - begin, kGrace / 2);
  for (auto& poll : polls) EXPECT_THAT(poll.get(), IsOk());
  EXPECT_THAT(watcher.End(), StatusIs(StatusCode::kUnavailable));
}

TEST(GrpcServerTest, WithoutADrainCutsCallsOffWhenItsGraceIsOver) {
  ServerFixture f;
  ASSERT_THAT(f.Create(FlatSpec("s", 1)), IsOk());
  ASSERT_THAT(f.Named(&StudyStub::PauseStudy, "s"), IsOk());
  Watcher watcher(f, WatchOf("s", 1000));
  watcher.Next();
  auto poll = f.StartSuggest(AskOf("w", "r", 30));
  f.AwaitWorkers(1);
  f.server->Shutdown(absl::Milliseconds(100));
  EXPECT_FALSE(poll.get().ok());
  EXPECT_FALSE(watcher.End().ok());
}

TEST(GrpcServerTest, OnceItIsDownRefusesCalls) {
  ServerFixture f;
  f.engine->Drain();
  f.server->Shutdown(absl::Seconds(10));
  EXPECT_THAT(f.Named(&StudyStub::GetStudy, "s"), StatusIs(StatusCode::kUnavailable));
  f.server->SetServing(true);  // As a disk that has room again would.
}

}  // namespace
}  // namespace halving
