/**
 * HTML character references, without an HTML parser: those of HTML 4 and the commoner ones of HTML 5.
 *
 * A name stands for the code point after that of the name before it, unless one is given before the colon, in base 36.
 */
const NAMES =
  "9:Tab NewLine x:excl quot num dollar percnt amp apos lpar rpar ast plus comma 1a:period sol 1m:colon semi lt " +
  "equals gt quest commat 2j:lbrack 2j:lsqb bsol rbrack 2l:rsqb Hat lowbar grave 3f:lbrace 3f:lcub verbar 3g:vert " +
  "rbrace 3h:rcub 4g:nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn " +
  "sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 59:half frac34 iquest Agrave Aacute Acirc " +
  "Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc " +
  "Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig " +
  "ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide " +
  "oslash ugrave uacute ucirc uuml yacute thorn yuml 7i:Dcaron 9e:OElig oelig 9s:Scaron scaron ag:Yuml b6:fnof " +
  "jq:circ kc:tilde pd:Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho " +
  "pv:Sigma Tau Upsilon Phi Chi Psi Omega q9:alpha beta gamma delta epsi qd:epsilon zeta eta theta iota kappa " +
  "lambda mu nu xi omicron pi rho sigmaf sigma tau upsilon phi chi psi omega r5:thetasym upsih r9:phiv " +
  "r9:straightphi piv 6bm:ensp emsp 6bt:thinsp 6bw:zwnj zwj lrm rlm dash 6c0:hyphen 6c3:ndash mdash 6c8:lsquo rsquo " +
  "sbquo 6cc:ldquo rdquo bdquo 6cg:dagger Dagger bull 6cm:hellip 6cw:permil 6cy:prime Prime 6d5:lsaquo rsaquo " +
  "6da:oline 6dg:frasl 6gc:euro 6iz:HilbertSpace 6j5:image 6jc:weierp 6jg:real 6jm:trade 6k5:alefsym " +
  "6km:DifferentialD 6mo:larr uarr rarr darr harr 6np:crarr 6og:lArr uArr rArr dArr hArr 6ps:forall 6pu:part exist " +
  "6px:empty 6pz:nabla isin notin 6q3:ni 6q7:prod 6q9:sum minus 6qf:lowast 6qi:radic 6ql:prop infin 6qo:ang 6qv:and " +
  "or cap cup int 6r6:ClockwiseContourIntegral 6r8:there4 6rg:sim 6rp:cong 6rs:approx 6rs:asymp 6sg:ne equiv 6sk:le " +
  "6sk:leq ge 6sl:geq 6sw:nleq ngeq 6te:sub sup nsub 6ti:sube supe 6tx:oplus 6tz:otimes 6ud:perp 6v9:sdot 6x4:lceil " +
  "rceil lfloor rfloor 6y1:lang rang 7gq:loz 7id:starf star 7kw:spades 7kz:clubs 7l1:hearts diams 7pv:check " +
  "7pz:cross";

const CODE_POINTS = new Map<string, string>([["ngE", "\u2267\u0338"]]);
let next = 0;
for (const entry of NAMES.split(" ")) {
  const [name = "", start] = entry.split(":").reverse();
  const codePoint = start === undefined ? next : Number.parseInt(start, 36);
  CODE_POINTS.set(name, String.fromCodePoint(codePoint));
  next = codePoint + 1;
}

/** Replaces each known reference by what it stands for, once; an unknown one stays as it is written. */
export function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    /&(?:#[xX]([\dA-Fa-f]{1,6})|#(\d{1,7})|([A-Za-z][A-Za-z\d]{1,31}));/g,
    (reference, hex, decimal, name) => {
      if (name !== undefined) return CODE_POINTS.get(name) ?? reference;
      const codePoint = hex === undefined ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16);
      const invalid = codePoint === 0 || codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff);
      return invalid ? "\ufffd" : String.fromCodePoint(codePoint);
    },
  );
}
