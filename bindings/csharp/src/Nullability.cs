// Where null is allowed, and where it comes: .NET Standard 2.0 has no such attributes, and the compiler takes anybody's.
// All else that is public is never null. Written as attributes, because mcs does not read `string?`.
#if NETSTANDARD2_0
namespace System.Diagnostics.CodeAnalysis
{
    [AttributeUsage(AttributeTargets.Parameter | AttributeTargets.Property)]
    sealed class AllowNullAttribute : Attribute { }

    [AttributeUsage(AttributeTargets.Property | AttributeTargets.ReturnValue)]
    sealed class MaybeNullAttribute : Attribute { }
}
#endif
