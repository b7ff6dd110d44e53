using System;
using System.Runtime.InteropServices;

namespace OpenHearth
{
    /// <summary>hearth.h as C# sees it. A handle travels in a HandleRef, which keeps its owner from being collected during
    /// the call; the library itself knows which handles are closed.</summary>
    internal static class Native
    {
        const string Library = "hearth";
        const CallingConvention C = CallingConvention.Cdecl;

        [UnmanagedFunctionPointer(C)]
        internal delegate int OnProgress(double fraction, IntPtr user);

        [UnmanagedFunctionPointer(C)]
        internal delegate int OnPiece(IntPtr text, UIntPtr length, int token, IntPtr user);

        [StructLayout(LayoutKind.Sequential)]
        internal struct ModelOptions
        {
            internal UIntPtr StructSize;
            internal IntPtr OnProgress, User, Cancellation;
            internal uint Threads, ContextLength, BatchTokens;
            internal int CacheType, Preload, Shift, AllLogits, Reserved;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct ModelInfo
        {
            internal UIntPtr StructSize;
            internal ulong ParameterCount, FileBytes;
            internal uint ContextLength, TrainedContext, VocabularySize, EmbeddingLength, LayerCount, Threads;
            internal int BosToken, EosToken, IsEncoder, HasTokenizer, HasChatTemplate, Reserved;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct SessionOptions
        {
            internal UIntPtr StructSize;
            internal uint ContextLength;
            internal int Reserved;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct SessionInfo
        {
            internal UIntPtr StructSize;
            internal uint ContextLength, UsedTokens;
            internal int Busy, Reserved;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct LogitBias
        {
            internal int Token;
            internal float Bias;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct GenerationOptions
        {
            internal UIntPtr StructSize;
            internal ulong Seed;
            internal IntPtr Stop;
            internal UIntPtr StopCount;
            internal IntPtr LogitBias;
            internal UIntPtr LogitBiasCount;
            internal IntPtr Grammar, JsonSchema, Tools, TemplateVariables, Cancellation;
            internal uint MaxTokens;
            internal int TopK;
            internal float Temperature, TopP, MinP, TypicalP, RepeatPenalty, FrequencyPenalty, PresencePenalty;
            internal int PenaltyWindow, ParseSpecial, SpecialText, IgnoreEnd, Reserved;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Result
        {
            internal UIntPtr StructSize;
            internal IntPtr Text;
            internal UIntPtr TextLength;
            internal IntPtr Tokens;
            internal UIntPtr TokenCount;
            internal IntPtr StopText;
            internal ulong Seed;
            internal UIntPtr PromptTokens, CachedTokens, GeneratedTokens;
            internal double PromptSeconds, GenerationSeconds;
            internal int FinishReason, Reserved;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct EmbedOptions
        {
            internal UIntPtr StructSize;
            internal IntPtr Prefix, OnProgress, User, Cancellation;
            internal uint Dimensions;
            internal int LongText, Normalise, Reserved;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Embeddings
        {
            internal UIntPtr StructSize;
            internal IntPtr Values;
            internal UIntPtr Count, Width, PromptTokens;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct ScoreOptions
        {
            internal UIntPtr StructSize;
            internal IntPtr OnProgress, User, Cancellation;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Likelihood
        {
            internal double LogLikelihood;
            internal uint TokenCount;
            internal int Greedy;
        }

        internal static UIntPtr SizeOf<T>() { return (UIntPtr)(uint)Marshal.SizeOf(typeof(T)); }

        // errors and memory
        [DllImport(Library, CallingConvention = C)] internal static extern IntPtr hearth_status_name(Status status);
        [DllImport(Library, CallingConvention = C)] internal static extern IntPtr hearth_error_message(IntPtr error);
        [DllImport(Library, CallingConvention = C)] internal static extern void hearth_error_free(IntPtr error);
        [DllImport(Library, CallingConvention = C)] internal static extern void hearth_free(IntPtr memory);

        // the library
        [DllImport(Library, CallingConvention = C)] internal static extern IntPtr hearth_version();
        [DllImport(Library, CallingConvention = C)] internal static extern IntPtr hearth_build_info();
        [DllImport(Library, CallingConvention = C)] internal static extern UIntPtr hearth_cpu_level_count();
        [DllImport(Library, CallingConvention = C)] internal static extern IntPtr hearth_cpu_level_name(UIntPtr index);
        [DllImport(Library, CallingConvention = C)] internal static extern Status hearth_cpu_level_active(out IntPtr name, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_render_template(byte[] source, byte[] context, out IntPtr text, out UIntPtr length, out IntPtr error);

        // cancellation
        [DllImport(Library, CallingConvention = C)] internal static extern Status hearth_cancellation_new(out IntPtr cancellation, out IntPtr error);
        [DllImport(Library, CallingConvention = C)] internal static extern void hearth_cancel(IntPtr cancellation);
        [DllImport(Library, CallingConvention = C)] internal static extern void hearth_cancellation_close(IntPtr cancellation);

        // models
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_model_options_init(out ModelOptions options, UIntPtr size, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_model_open(byte[] path, ref ModelOptions options, out IntPtr model, out IntPtr error);
        [DllImport(Library, CallingConvention = C)] internal static extern void hearth_model_close(IntPtr model);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_model_get_info(HandleRef model, ref ModelInfo info, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_model_metadata_count(HandleRef model, out UIntPtr count, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_model_metadata_key(HandleRef model, UIntPtr index, out IntPtr key, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_model_metadata_get(HandleRef model, byte[] key, out IntPtr json, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_model_metadata_json(HandleRef model, UIntPtr mostElements, out IntPtr json, out IntPtr error);

        // tokens and templates
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_tokenize(HandleRef model, byte[] text, UIntPtr length, uint flags, out IntPtr tokens, out UIntPtr count, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_count_tokens(HandleRef model, byte[] text, UIntPtr length, uint flags, out UIntPtr count, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_detokenize(HandleRef model, int[] tokens, UIntPtr count, int special, out IntPtr text, out UIntPtr length, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_token_bytes(HandleRef model, int token, out IntPtr bytes, out UIntPtr length, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_render_chat(HandleRef model, byte[] messages, byte[] tools, byte[] variables, out IntPtr text, out UIntPtr length, out IntPtr error);

        // sessions
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_options_init(out SessionOptions options, UIntPtr size, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_open(HandleRef model, ref SessionOptions options, out IntPtr session, out IntPtr error);
        [DllImport(Library, CallingConvention = C)] internal static extern void hearth_session_close(IntPtr session);
        [DllImport(Library, CallingConvention = C)] internal static extern void hearth_session_cancel(HandleRef session);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_get_info(HandleRef session, ref SessionInfo info, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_set_system(HandleRef session, byte[] text, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_messages(HandleRef session, out IntPtr json, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_set_messages(HandleRef session, byte[] json, out IntPtr error);
        [DllImport(Library, CallingConvention = C)] internal static extern Status hearth_session_reset(HandleRef session, out IntPtr error);

        // generation
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_generation_options_init(out GenerationOptions options, UIntPtr size, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_complete(HandleRef session, byte[] text, UIntPtr length, ref GenerationOptions options, OnPiece onPiece, IntPtr user, out IntPtr result, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_complete_tokens(HandleRef session, int[] tokens, UIntPtr count, ref GenerationOptions options, OnPiece onPiece, IntPtr user, out IntPtr result, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_chat(HandleRef session, byte[] messages, ref GenerationOptions options, OnPiece onPiece, IntPtr user, out IntPtr result, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_say(HandleRef session, byte[] text, UIntPtr length, ref GenerationOptions options, OnPiece onPiece, IntPtr user, out IntPtr result, out IntPtr error);
        [DllImport(Library, CallingConvention = C)] internal static extern void hearth_result_free(IntPtr result);

        // adapters
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_adapter_open(HandleRef model, byte[] path, out IntPtr adapter, out IntPtr error);
        [DllImport(Library, CallingConvention = C)] internal static extern void hearth_adapter_close(IntPtr adapter);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_session_set_adapters(HandleRef session, IntPtr[] adapters, float[] scales, UIntPtr count, out IntPtr error);

        // embeddings and log-likelihoods
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_embed_options_init(out EmbedOptions options, UIntPtr size, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_embed(HandleRef model, IntPtr texts, UIntPtr[] lengths, UIntPtr count, ref EmbedOptions options, out IntPtr embeddings, out IntPtr error);
        [DllImport(Library, CallingConvention = C)] internal static extern void hearth_embeddings_free(IntPtr embeddings);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_score_options_init(out ScoreOptions options, UIntPtr size, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_score(HandleRef model, byte[] context, IntPtr continuations, UIntPtr count, ref ScoreOptions options, [In, Out] Likelihood[] likelihoods, out IntPtr error);
        [DllImport(Library, CallingConvention = C)]
        internal static extern Status hearth_score_tokens(HandleRef model, int[] tokens, UIntPtr count, UIntPtr from, ref ScoreOptions options, out Likelihood likelihood, out IntPtr error);
    }
}
