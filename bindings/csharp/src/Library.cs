using System;
using System.Collections.Generic;

namespace OpenHearth
{
    /// <summary>The library as a whole.</summary>
    public static class Library
    {
        /// <summary>Its version, "0.1.0".</summary>
        public static string Version { get { return Utf8.Read(Native.hearth_version()); } }

        /// <summary>How it was built, as JSON.</summary>
        public static string BuildInfo { get { return Utf8.Read(Native.hearth_build_info()); } }

        /// <summary>The instruction sets this machine can run, best first.</summary>
        public static IReadOnlyList<string> CpuLevels
        {
            get
            {
                var levels = new string[(int)(ulong)Native.hearth_cpu_level_count()];
                for (var i = 0; i < levels.Length; i++) levels[i] = Utf8.Read(Native.hearth_cpu_level_name((UIntPtr)(uint)i));
                return levels;
            }
        }

        /// <summary>The one in use.</summary>
        public static string ActiveCpuLevel
        {
            get
            {
                HearthException.Check(Native.hearth_cpu_level_active(out var name, out var error), error);
                return Utf8.Read(name);
            }
        }

        /// <summary>The library's name of a status: "usage", "bad_input", ...</summary>
        public static string NameOf(Status status) { return Utf8.Read(Native.hearth_status_name(status)); }

        /// <summary>Renders any Jinja chat template, without a model.</summary>
        /// <param name="source">The template.</param>
        /// <param name="context">A JSON object with all that it sees: messages, add_generation_prompt, tools, ...</param>
        public static string RenderTemplate(string source, string context)
        {
            HearthException.Check(Native.hearth_render_template(Utf8.Whole(source, "source"), Utf8.Whole(context, "context"),
                out var text, out var length, out var error), error);
            return System.Text.Encoding.UTF8.GetString(Utf8.Take(text, length));
        }
    }
}
