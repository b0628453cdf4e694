#include "common/struct_json.h"

#include <cmath>
#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace halving {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

Struct WithNumber(double number) {
  Struct object;
  (*object.mutable_fields())["n"].set_number_value(number);
  return object;
}

std::string Json(double number) { return StructToJson(WithNumber(number)).dump(); }

TEST(StructJsonTest, WholeNumbersUpTo2To53AreWrittenWithoutAPoint) {
  EXPECT_EQ(Json(128), R"({"n":128})");
  EXPECT_EQ(Json(-3), R"({"n":-3})");
  EXPECT_EQ(Json(0), R"({"n":0})");
  EXPECT_EQ(Json(-0.0), R"({"n":0})");
  EXPECT_EQ(Json(9007199254740992.0), R"({"n":9007199254740992})");
  EXPECT_EQ(Json(-9007199254740992.0), R"({"n":-9007199254740992})");
  EXPECT_EQ(Json(1e300), R"({"n":1e+300})");
}

TEST(StructJsonTest, OtherNumbersKeepEveryBit) {
  for (const double number : {0.1, -2.5, 1.0 / 3, 5e-324, 1.7976931348623157e308}) {
    EXPECT_EQ(nlohmann::json::parse(Json(number))["n"].get<double>(), number);
  }
}

TEST(StructJsonTest, NumbersThatJsonCannotSayBecomeNull) {
  EXPECT_EQ(Json(NAN), R"({"n":null})");
  EXPECT_EQ(Json(INFINITY), R"({"n":null})");
  EXPECT_EQ(Json(-INFINITY), R"({"n":null})");
}

TEST(StructJsonTest, KeysComeSortedWhateverTheOrderOfTheMap) {
  Struct object;
  for (const char* key : {"zeta", "alpha", "Mid", "10", "9", ""}) {
    (*object.mutable_fields())[key].set_bool_value(true);
  }
  EXPECT_EQ(StructToJson(object).dump(),
            R"({"":true,"10":true,"9":true,"Mid":true,"alpha":true,"zeta":true})");
}

TEST(StructJsonTest, EveryKindOfValueGoesThereAndBack) {
  const std::string text =
      R"({"list":[1,"two",[],{"deep":null}],"no":false,"nothing":null,"number":0.5,)"
      R"("object":{"a":{"b":-1}},"text":"\"quoted\" \u00e4\n","whole":7})";
  const Struct object = JsonToStruct(nlohmann::json::parse(text));
  EXPECT_EQ(StructToJson(object), nlohmann::json::parse(text));
  EXPECT_EQ(object.fields().at("whole").kind_case(), Value::kNumberValue);
  EXPECT_EQ(object.fields().at("nothing").kind_case(), Value::kNullValue);
  EXPECT_EQ(object.fields().at("list").list_value().values_size(), 4);
}

TEST(StructJsonTest, AValueWithoutAKindIsNull) { EXPECT_TRUE(ValueToJson(Value()).is_null()); }

TEST(StructJsonTest, AnEmptyStructIsAnEmptyObject) {
  EXPECT_EQ(StructToJson(Struct()).dump(), "{}");
  EXPECT_EQ(JsonToStruct(nlohmann::json::object()).fields_size(), 0);
}

TEST(StructJsonTest, FindsNonFiniteNumbersAtAnyDepth) {
  EXPECT_FALSE(HasNonFiniteNumber(Struct()));
  EXPECT_FALSE(HasNonFiniteNumber(WithNumber(1e308)));
  EXPECT_TRUE(HasNonFiniteNumber(WithNumber(NAN)));
  EXPECT_TRUE(HasNonFiniteNumber(WithNumber(-INFINITY)));
  Struct deep;
  Value* list = &(*deep.mutable_fields())["list"];
  *list->mutable_list_value()->add_values()->mutable_struct_value() = WithNumber(1);
  EXPECT_FALSE(HasNonFiniteNumber(deep));
  *list->mutable_list_value()->add_values()->mutable_struct_value() = WithNumber(INFINITY);
  EXPECT_TRUE(HasNonFiniteNumber(deep));
}

}  // namespace
}  // namespace halving
