using System.Collections.Generic;
using System.Linq;
using System.Text;

namespace OpenHearth
{
    /// <summary>A turn of a conversation. What needs more than a role and text is written as JSON.</summary>
    public sealed class Message
    {
        /// <summary>A message.</summary>
        public Message(string role, string content)
        {
            Role = role;
            Content = content;
        }

        /// <summary>"system", "user", "assistant", ...</summary>
        public string Role { get; }
        /// <summary>What was said.</summary>
        public string Content { get; }

        internal static string Json(IEnumerable<Message> messages)
        {
            if (messages == null) return null;
            return "[" + string.Join(", ", messages.Select(one => one == null ? "null" :
                "{\"role\": " + Quoted(one.Role) + ", \"content\": " + Quoted(one.Content) + "}")) + "]";
        }

        static string Quoted(string text)
        {
            if (text == null) return "null";
            var json = new StringBuilder("\"");
            foreach (var c in text)
            {
                if (c == '"' || c == '\\') json.Append('\\').Append(c);
                else if (c < ' ') json.Append("\\u").Append(((int)c).ToString("x4"));
                else json.Append(c);
            }
            return json.Append('"').ToString();
        }
    }
}
