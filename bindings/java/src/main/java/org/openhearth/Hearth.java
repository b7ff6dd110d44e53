package org.openhearth;

import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/** What concerns the library as a whole. */
public final class Hearth {
  private Hearth() {}

  /** Of the library: "0.1.0". */
  public static String version() {
    return CApi.text(CApi.LIBRARY.hearth_version());
  }

  /** How the library was built, as JSON. */
  public static String buildInfo() {
    return CApi.text(CApi.LIBRARY.hearth_build_info());
  }

  /** The instruction sets that this machine can run, best first. */
  public static List<String> cpuLevels() {
    return LongStream.range(0, CApi.LIBRARY.hearth_cpu_level_count())
        .mapToObj(index -> CApi.text(CApi.LIBRARY.hearth_cpu_level_name(index)))
        .collect(Collectors.toUnmodifiableList());
  }

  /** The one in use. */
  public static String activeCpuLevel() {
    PointerByReference name = new PointerByReference();
    CApi.check(null, error -> CApi.LIBRARY.hearth_cpu_level_active(name, error));
    return CApi.text(name.getValue());
  }

  /**
   * Renders any Jinja chat template, without a model.
   *
   * @param context a JSON object with all that the template sees: messages, add_generation_prompt, tools, ...
   */
  public static String renderTemplate(String source, String context) {
    PointerByReference text = new PointerByReference();
    LongByReference length = new LongByReference();
    try (Scratch scratch = new Scratch()) {
      var from = scratch.terminated(source, "the template");
      var with = scratch.terminated(context, "the context");
      CApi.check(null, error -> CApi.LIBRARY.hearth_render_template(from, with, text, length, error));
    }
    return CApi.take(text, length);
  }
}
