package org.openhearth;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Runs bindings/conformance/cases.json (see the README there), and Java's own tests. */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(System.getenv("HEARTH_CONFORMANCE"));
    int passed = 0;
    int failed = 0;
    String file = new String(Files.readAllBytes(folder.resolve("cases.json")), StandardCharsets.UTF_8);
    Operations operations = new Operations(folder);
    for (JsonElement one : JsonParser.parseString(file).getAsJsonObject().getAsJsonArray("cases")) {
      JsonObject what = one.getAsJsonObject();
      List<String> faults = new ArrayList<>();
      try {
        double tolerance = what.has("tolerance") ? what.get("tolerance").getAsDouble() : 0.001;
        compare(what.get("expected"), perform(operations, what), tolerance, "", faults);
      } catch (Exception | AssertionError fault) {
        faults.add(fault.toString());
      }
      passed += faults.isEmpty() ? 1 : 0;
      failed += faults.isEmpty() ? 0 : 1;
      tell(what.get("name").getAsString(), faults);
    }
    for (Map.Entry<String, OwnTests.Test> one : new OwnTests(folder).all().entrySet()) {
      List<String> faults = new ArrayList<>();
      try {
        one.getValue().run();
        passed++;
      } catch (Exception | AssertionError fault) {
        failed++;
        faults.add(fault.toString());
      }
      tell(one.getKey(), faults);
    }
    System.out.println("java: " + passed + " passed, " + failed + " failed");
    System.exit(failed == 0 ? 0 : 1);
  }

  private static JsonObject perform(Operations operations, JsonObject what) throws Exception {
    try {
      JsonObject arguments = what.has("arguments") ? what.getAsJsonObject("arguments") : new JsonObject();
      String model = what.has("model") ? what.get("model").getAsString() : null;
      return operations.run(what.get("operation").getAsString(), model, arguments);
    } catch (HearthException fault) {
      return Operations.failure(fault);
    }
  }

  private static void tell(String name, List<String> faults) {
    if (faults.isEmpty()) {
      System.out.println("passed " + name);
    } else {
      System.err.println(name + ": " + String.join("; ", faults));
    }
  }

  private static void compare(
      JsonElement expected, JsonElement actual, double tolerance, String where, List<String> faults) {
    if (expected.isJsonObject() && actual.isJsonObject()) {
      expected.getAsJsonObject().entrySet().forEach(
          member -> compareMember(member, actual.getAsJsonObject(), tolerance, where, faults));
    } else if (expected.isJsonArray() && actual.isJsonArray() && sizes(expected) == sizes(actual)) {
      for (int i = 0; i < sizes(expected); i++) {
        JsonElement came = actual.getAsJsonArray().get(i);
        compare(expected.getAsJsonArray().get(i), came, tolerance, where + "[" + i + "]", faults);
      }
    } else if (isNumber(expected) && isNumber(actual)) {
      if (!(Math.abs(expected.getAsDouble() - actual.getAsDouble()) <= tolerance)) {
        faults.add(where + ": " + actual + ", not " + expected);
      }
    } else if (!expected.equals(actual)) {
      faults.add(where + ": " + actual + ", not " + expected);
    }
  }

  private static void compareMember(
      Map.Entry<String, JsonElement> expected, JsonObject actual, double tolerance, String where, List<String> faults) {
    String key = expected.getKey();
    if (key.equals("says")) {
      for (JsonElement part : expected.getValue().getAsJsonArray()) {
        String message = actual.get("message").getAsString();
        if (!message.contains(part.getAsString())) {
          faults.add(where + ": \"" + message + "\" does not say " + part);
        }
      }
    } else if (!actual.has(key)) {
      faults.add(where + "." + key + " is absent from " + actual);
    } else {
      compare(expected.getValue(), actual.get(key), tolerance, where + "." + key, faults);
    }
  }

  private static int sizes(JsonElement array) {
    return array.getAsJsonArray().size();
  }

  private static boolean isNumber(JsonElement value) {
    return value.isJsonPrimitive() && value.getAsJsonPrimitive().isNumber();
  }
}
